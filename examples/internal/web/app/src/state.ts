// What the address of the page says: focus, moment, view and what is shown.

import type { Unnamed } from "./paint";

export interface State {
  /** The domain in focus, empty for none. */
  focus: string;
  /** The moment in history, RFC 3339, empty for the present. */
  at: string;
  unnamed: Unnamed;
  mutualOnly: boolean;
  /** The middle of the view and its scale, where the visitor has moved. */
  view?: { x: number; y: number; k: number };
}

/** parse reads the address. The parameters of the old site work: focus, skipAnon and combineAnon, with or without a value. */
export function parse(search: string): State {
  const q = new URLSearchParams(search);
  return {
    focus: (q.get("focus") ?? "").trim().slice(0, 300),
    at: moment(q.get("at")),
    unnamed: unnamed(q),
    mutualOnly: isSet(q, "mutual"),
    view: view(q.get("view")),
  };
}

/** format writes a state as the query of an address, empty for the plain page. */
export function format(s: State): string {
  const q = new URLSearchParams();
  if (s.focus) q.set("focus", s.focus);
  if (s.at) q.set("at", s.at);
  if (s.unnamed !== "show") q.set("unnamed", s.unnamed);
  if (s.mutualOnly) q.set("mutual", "1");
  if (s.view) q.set("view", `${+s.view.x.toFixed(1)},${+s.view.y.toFixed(1)},${+s.view.k.toPrecision(4)}`);
  const text = q.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
  return text ? "?" + text : "";
}

function isSet(q: URLSearchParams, name: string): boolean {
  return q.has(name) && !["false", "0", "no", "off"].includes(q.get(name)!.toLowerCase());
}

function unnamed(q: URLSearchParams): Unnamed {
  const u = q.get("unnamed");
  if (u === "hide" || isSet(q, "skipAnon")) return "hide";
  if (u === "combine" || isSet(q, "combineAnon")) return "combine";
  return "show";
}

function moment(at: string | null): string {
  if (!at || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$/.test(at)) return "";
  return Number.isNaN(Date.parse(at)) ? "" : at;
}

function view(text: string | null): State["view"] {
  const [x, y, k] = (text ?? "").split(",").map(Number);
  const fine = [x, y, k].every((v) => Number.isFinite(v) && Math.abs(v) < 1e7) && k > 1e-6;
  return text && fine ? { x, y, k } : undefined;
}
