/* The console's forms are sent once, however often somebody clicks; every page works without. */
"use strict";

const AGAIN_AFTER = 8000; // milliseconds; an answer that is a file leaves the page as it is

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  window.setTimeout(() => { delete form.dataset.sent; }, AGAIN_AFTER);
});

// Coming back with the browser's back button shows the page as it was: let forms be sent again.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  document.querySelectorAll("form[data-sent]").forEach((form) => { delete form.dataset.sent; });
});

// After a refusal the keyboard is at the first field that is wrong.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelector("form [aria-invalid=true]")?.focus();
});

// A list that can be searched is called as its field is: select2 gives it no name.
function nameSearches() {
  document.querySelectorAll("select.admin-autocomplete").forEach((field) => {
    const name = field.labels[0]?.textContent.trim() || field.closest("[data-label]")?.dataset.label;
    const shown = field.nextElementSibling?.querySelector(".select2-selection");
    if (!name || !shown) return;
    shown.removeAttribute("aria-labelledby");
    [shown, ...shown.querySelectorAll("[role=textbox]")].forEach((part) => part.setAttribute("aria-label", name));
  });
}
new MutationObserver((changes) => {
  const added = changes.flatMap((change) => [...change.addedNodes]);
  if (added.some((node) => node.classList?.contains("select2-container"))) nameSearches();
}).observe(document.documentElement, { childList: true, subtree: true });

// Fields in the rows of a table are called as their columns.
function nameCells() {
  document.querySelectorAll("td[data-label] :is(input, select, textarea)").forEach((field) => {
    if (field.type === "hidden" || field.labels?.length || field.ariaLabel) return;
    field.setAttribute("aria-label", field.closest("td").dataset.label);
  });
}
document.addEventListener("DOMContentLoaded", nameCells);
document.addEventListener("formset:added", nameCells);
