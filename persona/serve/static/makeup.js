// The makeup page without reloading it: posts the page's own form in the background and puts the answer's parts in place.
// Everything works without this file.
"use strict";

const form = document.getElementById("makeup");
const SIDE = 1280; // pixels of a photo that is only looked at; the download uses the photo itself
const WAIT = 250; // milliseconds between the last touch and the request
let last = null, timer = 0, wiped = "50", small = {}; // small: the photo made smaller, by the file it was made of

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

async function smaller(file) {
  if (small.file === file) return small.blob;
  const bitmap = await createImageBitmap(file).catch(() => null); // upright, as the file says
  if (!bitmap) return file; // the server says what is wrong with it
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  let blob = file;
  if (scale < 1) {
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(bitmap.width * scale);
    canvas.height = Math.round(bitmap.height * scale);
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    blob = await new Promise(done => canvas.toBlob(done, "image/jpeg", 0.95));
  }
  small = { file, blob };
  return blob;
}

async function send(name, value) {
  if (last) last.abort();
  const mine = last = new AbortController(), fields = new FormData(form), photo = fields.get("photo");
  fields.set(name, value);
  if (photo && photo.size) {
    if (!form.elements.photo_rights.checked) fields.delete("photo"); // it stays here until it may be used
    else if (value !== "save") fields.set("photo", await smaller(photo), "photo.jpg");
  }
  document.getElementById("stage").setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(form.action, { method: "POST", body: fields, signal: mine.signal });
    if (answer.headers.get("Content-Type").startsWith("image/")) return keep(await answer.blob());
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine === last) show(page, name === "do" && ["advise", "make"].includes(value));
  } catch (error) {
    if (error.name !== "AbortError") complain("The server does not answer. Nothing was lost: try again.");
  }
}

function keep(blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = "made-up.png";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  document.getElementById("stage").removeAttribute("aria-busy");
}

function show(page, advised) {
  const fresh = page.getElementById("stage");
  if (!fresh) return complain(page.querySelector(".lede") ? page.querySelector(".lede").textContent : "That went wrong.");
  document.getElementById("stage").replaceWith(fresh);
  if (advised || page.querySelector(".scheme, .made")) document.getElementById("answer").replaceWith(page.getElementById("answer"));
  if (advised) document.getElementById("answer").scrollIntoView();
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
  if (button && button.value === "keep") return; // another page
  event.preventDefault();
  send(button && button.name ? button.name : "do", button && button.name ? button.value : "apply");
});

document.addEventListener("change", event => {
  const field = event.target;
  if (field.form !== form || ["occasion", "season", "products", "reference", "reference_rights"].includes(field.name)) return;
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
