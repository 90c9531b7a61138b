// Elements without markup: text goes in as text, so that no name can be more than that.

type Child = Node | string | false | undefined;

/** h makes an element with properties and children. Attributes with a dash, and role, are set as attributes. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Record<string, string | number | boolean | ((e: Event) => void)> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const el = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) {
    if (typeof v === "function") el.addEventListener(k, v);
    else if (k in el && !k.includes("-")) Object.assign(el, { [k]: v });
    else el.setAttribute(k, String(v));
  }
  el.append(...children.filter((c): c is Node | string => Boolean(c)));
  return el;
}

/** by returns an element that the page has. */
export function by<T extends HTMLElement>(id: string): T {
  const el = document.getElementById(id);
  if (!el) throw new Error(`the page has no #${id}`);
  return el as T;
}

const SVG = "http://www.w3.org/2000/svg";

/** icon draws a line icon of 24 by 24. */
export function icon(path: string): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const p = document.createElementNS(SVG, "path");
  p.setAttribute("d", path);
  svg.append(p);
  return svg;
}
