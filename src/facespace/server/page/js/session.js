// What the service is, what the key may do, and the model's card: fetched once for each key.

import { call } from "./api.js";

let service = null;
let model = null;

/** What the service is and what the caller may do. */
export const serviceNow = () => (service ??= once(call("GET", "v1/service"), () => (service = null)));

/** The model with its card and curves. */
export const modelNow = () => (model ??= once(call("GET", "v1/models/default"), () => (model = null)));

export function forget() {
  service = model = null;
}

/** Whether the caller may do something: verify, read, enrol, admin. */
export const may = async (scope) => (await serviceNow()).scopes.includes(scope);

function once(promise, failed) {
  promise.catch(failed);
  return promise;
}
