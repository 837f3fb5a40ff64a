/* Small helpers; every page works without them. */
"use strict";

// Forms that say so are sent when a choice in them changes, and a submit button is used once.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-auto]");
  if (form && event.target.matches("select")) form.requestSubmit();
});

document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  window.setTimeout(() => {
    event.target.querySelectorAll("button").forEach((button) => { button.disabled = true; });
  });
});

// Coming back with the browser's back button shows the page as it was: let buttons work again.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  document.querySelectorAll("button[disabled]").forEach((button) => { button.disabled = false; });
});

document.querySelectorAll("[data-print]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
});

// A page that waits for something asks again, less and less often.
const waiting = document.querySelector("[data-again-after]");
if (waiting) {
  const { again, againAfter } = waiting.dataset;
  window.setTimeout(() => window.location.replace(again), 1000 * againAfter);
}

// On a phone the parts of the site may need more than its width: the one that is shown is in sight.
const parts = document.querySelector("nav.main");
const shown = parts?.querySelector("[aria-current]");
if (shown) parts.scrollLeft = shown.offsetLeft - parts.offsetLeft - parts.clientWidth / 2;

// After a refusal the keyboard is at the first field that is wrong.
document.querySelector("form [aria-invalid=true]")?.focus();
