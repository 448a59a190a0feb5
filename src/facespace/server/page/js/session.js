// The capabilities of the service, the scopes of the key and the model card, fetched once per key.

import { call } from "./api.js";

let service = null;
let model = null;

/** The capabilities of the service and the scopes of the caller. */
export const serviceNow = () => (service ??= once(call("GET", "v1/service"), () => (service = null)));

/** The model with its card and curves. */
export const modelNow = () => (model ??= once(call("GET", "v1/models/default"), () => (model = null)));

export function forget() {
  service = model = null;
}

/** Whether the caller has a scope: verify, read, enrol or admin. */
export const may = async (scope) => (await serviceNow()).scopes.includes(scope);

function once(promise, failed) {
  promise.catch(failed);
  return promise;
}
