// The panel about one domain: what the picture knows at once, and the rest as soon as the server has told it.

import { type Detail, get, type Neighbour } from "./api";
import { snippet } from "./copy";
import { h, icon } from "./dom";
import { adjacency, type Net } from "./net";
import { because, count, day, moment, plural, safe } from "./text";

/** What the panel asks of the page. */
export interface Asks {
  open(name: string): void;
  close(): void;
  point(name: string): void;
  tell(words: string): void;
}

/** How many neighbours a group lists before one asks for more. */
const FEW = 24;

export class Panel {
  private loading?: AbortController;
  private name = "";
  private readonly body = h("div", { className: "body" });
  private readonly title = h("h2", { tabIndex: -1 });

  constructor(
    readonly el: HTMLElement,
    private readonly asks: Asks,
  ) {
    const close = h("button", { type: "button", className: "close", "aria-label": "Close", title: "Close (Esc)", click: () => asks.close() }, icon("M6 6l12 12M18 6L6 18"));
    const grip = h("button", { type: "button", className: "grip", "aria-label": "More or less of this", "aria-expanded": "false" });
    grip.addEventListener("click", () => this.expand(!el.classList.contains("tall")));
    this.swipe(grip);
    el.replaceChildren(grip, h("header", {}, this.title, close), this.body);
  }

  get shown(): boolean {
    return !this.el.hidden;
  }

  /** expand lets the sheet of a phone take most of the screen. */
  private expand(tall: boolean): void {
    this.el.classList.toggle("tall", tall);
    this.el.querySelector(".grip")!.setAttribute("aria-expanded", String(tall));
  }

  private swipe(grip: HTMLElement): void {
    let from = 0;
    grip.addEventListener("pointerdown", (e) => (from = e.clientY));
    grip.addEventListener("pointerup", (e) => {
      const by = e.clientY - from;
      if (Math.abs(by) < 24) return;
      // The click that follows would undo this.
      grip.addEventListener("click", (c) => c.stopImmediatePropagation(), { capture: true, once: true });
      if (by < 0) this.expand(true);
      else if (this.el.classList.contains("tall")) this.expand(false);
      else this.asks.close();
    });
  }

  hide(): void {
    this.loading?.abort();
    this.el.hidden = true;
    this.name = "";
    this.expand(false);
  }

  /** show fills the panel; in the past only with what the picture knows. */
  show(net: Net, i: number, past: boolean): void {
    const again = this.name === net.names[i];
    this.name = net.names[i];
    this.title.replaceChildren(h("bdi", {}, safe(net.labels[i])));
    if (!again || past) this.body.replaceChildren(...this.known(net, i));
    this.el.hidden = false;
    if (!again) this.body.scrollTop = 0;
    if (!past) void this.load(net.names[i]);
  }

  /** missing says that a domain has nothing to show, the same for whatever reason. */
  missing(typed: string): void {
    this.loading?.abort();
    this.name = "";
    this.title.replaceChildren(h("bdi", {}, safe(typed)));
    this.body.replaceChildren(
      h("p", {}, "No domain with this name is shown. Only domains that opt in are named, and only while they do; whether any other is part of the network stays unsaid here."),
      h("p", { className: "more" }, h("a", { href: "/add" }, "Is it yours? See what the crawler finds."), h("a", { href: "/join" }, "How to join")),
    );
    this.el.hidden = false;
  }

  /** focus moves the keyboard here. */
  focus(): void {
    this.title.focus({ preventScroll: true });
  }

  private async load(name: string): Promise<void> {
    this.loading?.abort();
    const loading = (this.loading = new AbortController());
    try {
      const d = await get<Detail>("/api/v1/domains/" + encodeURIComponent(name), loading.signal);
      if (d && this.name === name) this.body.replaceChildren(...this.told(d));
    } catch {
      // Without the server there is what the picture knows.
    }
  }

  private known(net: Net, i: number): Node[] {
    const adj = adjacency(net);
    const near: Neighbour[] = [];
    for (let p = adj.from[i]; p < adj.from[i + 1]; p++) {
      const j = adj.to[p];
      const mutual = net.mutual[adj.link[p]] === 1;
      near.push({ name: net.names[j], label: net.labels[j], state: mutual ? "mutual" : "one-sided", claimed: mutual ? "both" : undefined });
    }
    const d: Detail = {
      name: net.names[i], label: net.labels[i], reporting: net.reports[i] === 1, unnamed: net.counts[i], links: net.degree[i],
      mutual: near.filter((n) => n.state === "mutual").length, neighbours: near,
    };
    return [this.head(d), figures(d), ...this.groups(d)];
  }

  private told(d: Detail): Node[] {
    return [this.head(d), figures(d), facts(d), ...this.groups(d), this.why(d), this.badge(d)].filter((n) => n !== undefined);
  }

  private head(d: Detail): HTMLElement {
    const plain = d.label && d.label !== d.name;
    return h(
      "p",
      { className: "status" },
      plain && h("code", { className: "plain", title: "The same name in ASCII: letters of other scripts can pass for Latin ones" }, d.name),
      h("span", { className: d.reporting ? "pill on" : "pill" }, d.reporting ? "reports its links" : "named by others"),
    );
  }

  private groups(d: Detail): HTMLElement[] {
    const all = d.neighbours ?? [];
    const of = (title: string, list: Neighbour[], kind: string) => (list.length > 0 ? [this.group(title, list, kind)] : []);
    const one = all.filter((n) => n.state !== "mutual" && n.state !== "lapsed");
    return [
      ...of("Both ends report", all.filter((n) => n.state === "mutual"), "both"),
      ...of("Only this domain reports", one.filter((n) => n.claimed === "self"), "one"),
      ...of("Only the other end reports", one.filter((n) => n.claimed === "other"), "one"),
      ...of("One end reports", one.filter((n) => n.claimed !== "self" && n.claimed !== "other"), "one"),
    ];
  }

  private group(title: string, list: Neighbour[], kind: string): HTMLElement {
    const ul = h("ul", {}, ...list.slice(0, FEW).map((n) => this.link(n)));
    const rest = list.slice(FEW);
    const more = rest.length > 0 && h("button", { type: "button", className: "text" }, `${count(rest.length)} more`);
    if (more) {
      more.addEventListener("click", () => {
        ul.append(...rest.map((n) => this.link(n)));
        (ul.children[FEW].firstElementChild as HTMLElement).focus();
        more.remove();
      });
    }
    return h("section", { className: "near " + kind }, h("h3", {}, title, h("small", {}, count(list.length))), ul, more);
  }

  private link(n: Neighbour): HTMLElement {
    const a = h("a", { href: "/?focus=" + encodeURIComponent(n.name) }, h("bdi", {}, safe(n.label ?? n.name)));
    if (n.label && n.label !== n.name) a.title = n.name;
    a.addEventListener("click", (e) => {
      if (e.ctrlKey || e.metaKey || e.shiftKey) return;
      e.preventDefault();
      this.asks.open(n.name);
    });
    a.addEventListener("pointerenter", () => this.asks.point(n.name));
    a.addEventListener("pointerleave", () => this.asks.point(""));
    return h("li", {}, a);
  }

  private why(d: Detail): HTMLElement {
    const v = d.verdict ?? {};
    const until = v.until ?? d.until;
    const name = encodeURIComponent(d.name);
    return h(
      "section",
      { className: "why" },
      h("h3", {}, "Why is this domain shown?"),
      h("p", {}, because(v.reason),
        until ? ` This holds until ${moment(new Date(until))}, and is checked again before.` : ""),
      h("p", { className: "more" }, h("a", { href: "/domains/" + name }, "All about it"), h("a", { href: "/about#leave" }, "How to leave")),
    );
  }

  private badge(d: Detail): HTMLElement {
    const name = encodeURIComponent(d.name);
    const page = `${location.origin}/?focus=${name}`;
    const image = `${location.origin}/badge/${name}.svg`;
    const alt = `${d.name} in the XMPP network`;
    const box = h("details", { className: "badge" }, h("summary", {}, "Badge for your site"));
    // The badge is fetched only by who wants it.
    box.addEventListener("toggle", () => {
      if (box.childElementCount > 1) return;
      box.append(
        h("img", { src: `/badge/${name}.svg`, alt, height: 20 }),
        snippet("HTML", `<a href="${page}"><img src="${image}" alt="${alt}"></a>`, this.asks.tell),
        snippet("Markdown", `[![${alt}](${image})](${page})`, this.asks.tell),
      );
    }, { once: true });
    return box;
  }
}

function figures(d: Detail): HTMLElement {
  const one = (n: number, words: string) => h("li", {}, h("strong", {}, count(n)), words);
  const links = d.links ?? 0;
  return h(
    "ul",
    { className: "figures" },
    one(links, links === 1 ? "link to a named domain" : "links to named domains"),
    one(d.mutual ?? 0, "reported by both ends"),
    d.reporting ? one(d.unnamed ?? 0, "links to unnamed domains") : undefined,
  );
}

function facts(d: Detail): HTMLElement | undefined {
  const rows: [string, string][] = [];
  if (d.software) rows.push(["Software", safe(`${d.software} ${d.software_version ?? ""}`.trim())]);
  if (d.users !== undefined) rows.push(["Active users, as it says", count(d.users)]);
  if (d.first) rows.push(["First seen", day(new Date(d.first))]);
  if (d.last) rows.push(["Last seen", moment(new Date(d.last))]);
  if (d.reported) rows.push(["Newest report", moment(new Date(d.reported))]);
  if (rows.length === 0) return undefined;
  const away = (d.seen ?? []).length - 1;
  if (away > 0) rows.push(["Was away", plural(away, "time")]);
  return h("dl", {}, ...rows.map(([k, v]) => h("div", {}, h("dt", {}, k), h("dd", {}, v))));
}
