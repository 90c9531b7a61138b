// Copying to the clipboard, with the answer where the visitor looks.

import { h } from "./dom";

/** snippet shows text to copy, with a button. */
export function snippet(title: string, text: string, tell: (words: string) => void): HTMLElement {
  const field = h("textarea", { readOnly: true, rows: Math.min(4, Math.ceil(text.length / 40)), value: text, "aria-label": title, spellcheck: false });
  field.addEventListener("focus", () => field.select());
  const button = h("button", { type: "button" }, "Copy");
  button.addEventListener("click", () => {
    void copy(text, field).then((done) => {
      button.textContent = done ? "Copied" : "Press Ctrl+C";
      tell(done ? `${title} copied` : "Press Control and C to copy");
      setTimeout(() => (button.textContent = "Copy"), 2500);
    });
  });
  return h("div", { className: "snippet" }, h("span", {}, title), button, field);
}

async function copy(text: string, field: HTMLTextAreaElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without a secure context there is no clipboard, but a selection that the visitor can copy.
    field.select();
    return false;
  }
}
