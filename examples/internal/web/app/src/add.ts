// The page that adds a domain: shows each step of the visit as it happens. Without this script the form brings the whole answer at once.

import { h } from "./dom";
import { Parser } from "./sse";
import { safe } from "./text";

interface Step {
  status: string;
  asked: string;
  got?: string;
  ms?: number;
  fix?: string;
}

interface Result {
  domain: string;
  named: boolean;
  text: string;
}

const SIGNS: Record<string, [sign: string, word: string, kind: string]> = {
  ok: ["✔", "in order", "ok"],
  failed: ["✖", "failed", "failed"],
};

const form = document.getElementById("add") as HTMLFormElement | null;
const answer = document.getElementById("answer");
let visit: AbortController | undefined;

form?.addEventListener("submit", (e) => {
  const domain = new FormData(form).get("domain");
  if (!answer || typeof domain !== "string") return;
  e.preventDefault();
  visit?.abort();
  visit = new AbortController();
  show(domain.trim(), answer, visit.signal).catch((err: unknown) => {
    if (err instanceof DOMException && err.name === "AbortError") return;
    failed(answer, "The answer did not arrive. Look at your connection, and try again.");
  });
});

async function show(domain: string, into: HTMLElement, signal: AbortSignal): Promise<void> {
  const steps = h("ol", { className: "trace" });
  const verdict = h("p", { className: "verdict waiting" }, "Visiting …");
  into.replaceChildren(h("section", { "aria-label": "What the visit found" }, h("h2", {}, h("bdi", {}, safe(domain))), verdict, steps));
  const r = await fetch("/api/v1/submit", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify({ domain }),
    signal,
  });
  if (!r.ok || !r.body) return failed(into, await refusal(r));
  const parser = new Parser();
  let done = false;
  const text = new TextDecoder();
  for (const reader = r.body.getReader(); ; ) {
    const { done: end, value } = await reader.read();
    if (end) break;
    for (const ev of parser.push(text.decode(value, { stream: true }))) {
      if (ev.name === "step") steps.append(step(JSON.parse(ev.data) as Step));
      if (ev.name === "result") {
        done = true;
        conclude(verdict, JSON.parse(ev.data) as Result);
      }
    }
  }
  if (!done) failed(into, "The answer ended before the visit did. Try again.");
}

/** step is one line of the trace, as the page without script shows it. */
function step(s: Step): HTMLLIElement {
  const [sign, word, kind] = SIGNS[s.status] ?? ["–", s.status, "other"];
  const time = s.ms ? `${word}, ${s.ms} ms` : word;
  const fix = (s.fix ?? "").split("\n").filter((line) => line.trim());
  return h(
    "li",
    { className: kind },
    h("span", { className: "mark", "aria-hidden": "true" }, sign),
    h(
      "div",
      {},
      h("p", { className: "asked" }, safe(s.asked), " ", h("small", {}, time)),
      s.got ? h("p", { className: "got" }, h("bdi", {}, safe(s.got))) : undefined,
      fix.length > 0 && h("div", { className: "fix" }, h("strong", {}, "What to change"), h("ul", {}, ...fix.map((line) => h("li", {}, line)))),
    ),
  );
}

function conclude(el: HTMLElement, r: Result): void {
  el.className = "verdict " + (r.named ? "ok" : "failed");
  el.replaceChildren(safe(r.text), " ");
  if (r.named) el.append(h("a", { href: "/?focus=" + encodeURIComponent(r.domain) }, "See it on the map"));
}

function failed(into: HTMLElement, words: string): void {
  into.replaceChildren(h("div", { className: "panel failed", role: "alert" }, h("h2", {}, "Not visited"), h("p", {}, words)));
}

/** refusal says in words why nothing was visited (RFC 9457). */
async function refusal(r: Response): Promise<string> {
  const wait = Number(r.headers.get("Retry-After"));
  let detail = "";
  try {
    detail = String(((await r.json()) as { detail?: unknown }).detail ?? "");
  } catch {
    // Whatever answered speaks no JSON; the status says enough.
  }
  const words = safe(detail || `The server answered ${r.status}`);
  const sentence = words.charAt(0).toUpperCase() + words.slice(1).replace(/\.$/, "") + ".";
  return wait > 0 ? `${sentence} Try again in ${wait} seconds.` : sentence;
}
