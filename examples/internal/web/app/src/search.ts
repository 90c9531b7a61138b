// The search box: an ARIA combobox whose list is made from the network that is shown, so that it answers with each keystroke.

import { h } from "./dom";
import { byWeight, type Net } from "./net";
import { plural, safe } from "./text";

const MOST = 8;

/** matches lists domains for what was typed: those that begin with it, then those of which a label does, then those that hold it;
 * among equals those that stand out first. Nothing typed lists those that stand out. */
export function matches(net: Net, typed: string, most = MOST): number[] {
  const q = typed.trim().toLowerCase();
  const tiers: number[][] = [[], [], [], []];
  for (const i of byWeight(net)) {
    const t = tier(net, i, q);
    if (t >= 0) tiers[t].push(i);
    if (tiers[0].length >= most) break;
  }
  return tiers.flat().slice(0, most);
}

function tier(net: Net, i: number, q: string): number {
  let best = -1;
  for (const name of net.labels[i] === net.names[i] ? [net.names[i]] : [net.labels[i], net.names[i]]) {
    const at = name.indexOf(q);
    if (at < 0) continue;
    const t = name === q ? 0 : at === 0 ? 1 : ".-".includes(name[at - 1]) || name.includes("." + q) ? 2 : 3;
    if (best < 0 || t < best) best = t;
  }
  return best;
}

/** Search drives the box and the list below it. */
export class Search {
  private found: number[] = [];
  private active = -1;

  constructor(
    private readonly box: HTMLInputElement,
    private readonly list: HTMLUListElement,
    private readonly net: () => Net,
    private readonly choose: (i: number) => void,
    private readonly point: (i: number) => void,
    private readonly miss: (typed: string) => void,
  ) {
    for (const [k, v] of Object.entries({
      role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id,
    })) box.setAttribute(k, v);
    box.addEventListener("input", () => this.open());
    box.addEventListener("focus", () => box.select());
    box.addEventListener("click", () => this.open());
    box.addEventListener("blur", () => this.close());
    box.addEventListener("keydown", (e) => this.key(e));
    box.form?.addEventListener("submit", (e) => {
      e.preventDefault();
      this.submit();
    });
    // The list must not take the focus away from the box.
    list.addEventListener("pointerdown", (e) => e.preventDefault());
  }

  /** take moves the cursor here, with the whole text selected. */
  take(): void {
    this.box.focus();
    this.open();
  }

  private key(e: KeyboardEvent): void {
    const open = !this.list.hidden;
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      if (!open) this.open();
      const n = this.found.length;
      if (n > 0) this.move(e.key === "ArrowDown" ? (this.active + 1) % n : (this.active - 1 + n) % n);
    } else if (e.key === "Escape") {
      e.stopPropagation();
      if (open) this.close();
      else if (this.box.value) this.box.value = "";
      else this.box.blur();
    }
  }

  private submit(): void {
    if (this.list.hidden) this.open();
    const i = this.found[Math.max(0, this.active)];
    if (i === undefined) this.miss(this.box.value.trim());
    else this.pick(i);
  }

  private pick(i: number): void {
    this.box.value = this.net().labels[i];
    this.close();
    this.choose(i);
  }

  private open(): void {
    const net = this.net();
    this.found = matches(net, this.box.value);
    this.active = -1;
    this.list.replaceChildren(...this.found.map((i, at) => this.option(net, i, at)));
    if (this.found.length === 0) {
      this.list.append(h("li", { role: "option", "aria-disabled": "true", className: "none" }, "No domain with that name is shown."));
    }
    this.list.hidden = false;
    this.box.setAttribute("aria-expanded", "true");
    this.box.removeAttribute("aria-activedescendant");
  }

  private option(net: Net, i: number, at: number): HTMLLIElement {
    const plain = net.labels[i] !== net.names[i];
    return h(
      "li",
      { role: "option", id: `found-${at}`, "aria-selected": "false", click: () => this.pick(i), pointermove: () => this.active !== at && this.move(at) },
      h("bdi", {}, safe(net.labels[i])),
      plain && h("small", {}, net.names[i]),
      h("span", {}, plural(net.degree[i], "link")),
    );
  }

  private move(to: number): void {
    const items = this.list.children;
    items[this.active]?.setAttribute("aria-selected", "false");
    this.active = to;
    items[to]?.setAttribute("aria-selected", "true");
    items[to]?.scrollIntoView({ block: "nearest" });
    this.box.setAttribute("aria-activedescendant", `found-${to}`);
    this.point(this.found[to]);
  }

  private close(): void {
    if (this.list.hidden) return;
    this.list.hidden = true;
    this.active = -1;
    this.box.setAttribute("aria-expanded", "false");
    this.box.removeAttribute("aria-activedescendant");
    this.point(-1);
  }
}
