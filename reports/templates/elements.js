"use strict";
// Elements are made of text only; nothing here parses a text as HTML.
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== ""));
  return node;
}
const bdi = (text) => el("bdi", {}, text);
const linkTo = (parts) => `#${new URLSearchParams(parts)}`;

function chip(mark, count) {
  const text = count === undefined ? mark.short : `${count} ${mark.short}`;
  const symbol = el("span", { "aria-hidden": "true" }, mark.symbol);
  return el("span", { class: `chip ${mark.key}`, title: mark.meaning }, symbol, ` ${text}`);
}

function line(text, limit) {
  const found = text.trim().split(/\s+/).join(" ");
  return found.length <= limit ? found : `${found.slice(0, limit - 3)}...`;
}

/** Hand over the JSON of a block of the page, which is packed where it is large. */
function withBlock(id, use, fail) {
  const block = document.getElementById(id);
  if (block.type === "application/json") { use(JSON.parse(block.textContent)); return; }
  if (!window.DecompressionStream) { fail(); return; }
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(block.textContent)
    : Uint8Array.from(atob(block.textContent), (letter) => letter.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  new Response(plain).json().then(use);
}
