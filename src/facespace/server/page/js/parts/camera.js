// Take a photo with the camera, in a dialog. The camera is switched off when the dialog closes.

import { fill, h, newId } from "../dom.js";
import { icon } from "../icons.js";

const WORDS = {
  NotAllowedError: "The browser blocks the camera. Allow it in the address bar, or choose a photo instead.",
  NotFoundError: "No camera was found.",
  NotReadableError: "The camera is used by another program. Close it and try again.",
};

/** Return a File, or null if no photo was taken. */
export async function takePhoto() {
  const id = newId("camera");
  const video = h("video", { muted: true, playsInline: true, "aria-label": "Camera picture" });
  const shoot = h("button.button.main", { type: "button", disabled: true }, icon("camera"), "Take photo");
  const status = h("p.soft", { role: "status" }, "Waiting for the camera …");
  const box = h("dialog.camera", { "aria-labelledby": id });
  let stream = null;
  let photo = null;
  fill(box, h("div", h("h2", { id }, "Camera"), video, status,
    h("div.row.end", h("button.button", { type: "button", on: { click: () => box.close() } }, "Cancel"), shoot)));
  document.body.append(box);
  box.showModal();
  const closed = new Promise((done) => box.addEventListener("close", done));
  shoot.addEventListener("click", async () => {
    photo = await still(video);
    box.close();
  });
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 } } });
    video.srcObject = stream;
    await video.play();
    status.textContent = "Look into the camera. Even light works best.";
    shoot.disabled = false;
    shoot.focus();
  } catch (error) {
    status.textContent = WORDS[error.name] ?? `The camera does not work: ${error.message}`;
  }
  await closed;
  stream?.getTracks().forEach((track) => track.stop());
  box.remove();
  return photo;
}

async function still(video) {
  const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
  const time = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  return new File([blob], `camera-${time}.jpg`, { type: "image/jpeg" });
}
