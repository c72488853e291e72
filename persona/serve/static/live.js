// Pages that work on photos, without reloading them: posts the page's own form in the background and puts the answer's
// parts in place. Everything works without this file. The form says of itself: data-file, the name of a download;
// data-leave, buttons that lead to another page; data-answer, buttons whose answer stands below; data-quiet, fields
// whose change alone asks for nothing.
"use strict";

const form = document.querySelector("form.live");
const SIDE = 1280; // pixels of a photo that is only looked at; the download uses the photo itself
const WAIT = 250; // milliseconds between the last touch and the request
const RIGHTS = { photo: "photo_rights", reference: "reference_rights" }; // what has to be ticked before a file is sent
let last = null, timer = 0, wiped = "50", small = {}; // small: photos made smaller, by field, with the file they were

const among = (list, name) => (form.dataset[list] || "").split(" ").includes(name);

function wipe() {
  const range = document.querySelector(".wipe"), before = document.querySelector(".before");
  if (!range) return;
  const move = () => { wiped = range.value; before.style.width = `${range.value}%`; };
  range.hidden = false;
  before.classList.add("moved");
  range.value = wiped;
  range.addEventListener("input", move);
  move();
}

async function smaller(name, file) {
  if (small[name] && small[name].file === file) return small[name].blob;
  const bitmap = await createImageBitmap(file).catch(() => null); // upright, as the file says
  if (!bitmap) return file; // the server says what is wrong with it
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  let blob = file;
  if (scale < 1) {
    const canvas = document.createElement("canvas"), kind = file.type === "image/jpeg" ? file.type : "image/png";
    canvas.width = Math.round(bitmap.width * scale);
    canvas.height = Math.round(bitmap.height * scale);
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    blob = await new Promise(done => canvas.toBlob(done, kind, 0.95));
  }
  small[name] = { file, blob };
  return blob;
}

async function send(name, value) {
  if (last) last.abort();
  const mine = last = new AbortController(), fields = new FormData(form);
  fields.set(name, value);
  for (const [field, rights] of Object.entries(RIGHTS)) {
    const file = fields.get(field);
    if (!file || !file.size) continue;
    if (!form.elements[rights].checked) fields.delete(field); // it stays here until it may be used
    else if (value !== "save") fields.set(field, await smaller(field, file), "photo");
  }
  document.getElementById("stage").setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(form.action, { method: "POST", body: fields, signal: mine.signal });
    if (answer.headers.get("Content-Type").startsWith("image/")) return keep(await answer.blob());
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine === last) show(page, name === "do" && among("answer", value));
  } catch (error) {
    if (error.name !== "AbortError") complain("The server does not answer. Nothing was lost: try again.");
  }
}

function keep(blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = form.dataset.file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  document.getElementById("stage").removeAttribute("aria-busy");
}

function show(page, asked) {
  const fresh = page.getElementById("stage"), answer = document.getElementById("answer");
  if (!fresh) return complain(page.querySelector(".lede") ? page.querySelector(".lede").textContent : "That went wrong.");
  document.getElementById("stage").replaceWith(fresh);
  if (answer && (asked || page.querySelector(".scheme, .made"))) answer.replaceWith(page.getElementById("answer"));
  if (asked) document.getElementById("answer").scrollIntoView();
  const list = page.querySelector(".looks input:checked");
  if (list && list.value === "own") document.querySelector(".looks").replaceWith(page.querySelector(".looks"));
  for (const slider of page.querySelectorAll("#parts input")) document.getElementById(slider.id).disabled = slider.disabled;
  wipe();
}

function complain(text) {
  const stage = document.getElementById("stage"), line = document.createElement("p");
  stage.querySelectorAll(".trouble").forEach(old => old.remove());
  line.className = "trouble";
  line.setAttribute("role", "alert");
  line.textContent = text;
  stage.prepend(line);
  stage.removeAttribute("aria-busy");
}

form.addEventListener("submit", event => {
  const button = event.submitter;
  if (button && among("leave", button.value)) return; // another page
  event.preventDefault();
  send(button && button.name ? button.name : "do", button && button.name ? button.value : "apply");
});

document.addEventListener("change", event => {
  const field = event.target;
  if (field.form !== form || among("quiet", field.name)) return;
  if (field.type === "range" || field.classList.contains("wipe")) return; // told by input below
  clearTimeout(timer);
  send("do", "apply");
});

form.addEventListener("input", event => {
  if (event.target.type !== "range" || event.target.classList.contains("wipe")) return;
  clearTimeout(timer);
  timer = setTimeout(() => send("do", "apply"), WAIT);
});

wipe();
