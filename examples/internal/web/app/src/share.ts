// Sharing: the address of what one sees, code to embed it, and files.

import { snippet } from "./copy";
import { h } from "./dom";

const FILES: [string, string][] = [
  ["svg", "SVG"],
  ["compact", "JSON"],
  ["csv-nodes", "CSV, domains"],
  ["csv-edges", "CSV, links"],
  ["gexf", "GEXF"],
  ["graphml", "GraphML"],
];

/** What goes into files: the parameters of the API's views. */
export interface Selection {
  focus: string;
  mutual: boolean;
  unnamed: string;
  at: string;
}

/** exportQuery is the query of the API for what is selected. */
export function exportQuery(s: Selection): string {
  const q = new URLSearchParams();
  if (s.focus) q.set("focus", s.focus);
  if (s.mutual) q.set("mutual", "1");
  if (s.unnamed !== "show") q.set("unnamed", s.unnamed);
  if (s.at) q.set("at", s.at);
  const text = q.toString();
  return text ? "?" + text : "";
}

/** fill writes the contents of the popover anew, since they depend on what one sees. */
export function fill(el: HTMLElement, s: Selection, picture: () => Promise<Blob | undefined>, tell: (words: string) => void): void {
  const focus = s.focus ? "?focus=" + encodeURIComponent(s.focus) : "";
  const png = h("button", { type: "button" }, "PNG");
  png.addEventListener("click", () => void save(picture(), s.focus || "xmpp-network", tell));
  el.replaceChildren(
    h("h2", {}, "Share"),
    snippet("Link to this view", location.href, tell),
    snippet("Embed in a frame", `<iframe src="${location.origin}/embed${focus}" width="800" height="560" title="The XMPP network" loading="lazy"></iframe>`, tell),
    snippet("Embed as a picture", `<a href="${location.origin}/${focus}"><img src="${location.origin}/picture.svg${focus}" alt="The XMPP network"></a>`, tell),
    h("h2", {}, "Download", s.focus ? h("small", {}, " of this neighbourhood") : ""),
    h("p", { className: "files" }, png, ...FILES.map(([id, name]) => h("a", { href: `/api/v1/export/${id}${exportQuery(s)}`, download: "" }, name))),
  );
}

async function save(picture: Promise<Blob | undefined>, name: string, tell: (words: string) => void): Promise<void> {
  const blob = await picture;
  if (!blob) return tell("The picture could not be made.");
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name.replace(/[^a-z0-9.-]/g, "_") + ".png" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  tell("The picture was saved.");
}
