// Where the painter works: in a worker, or on the page that loads this as a script.

import type { Answer, Order } from "./orders";
import { Painter } from "./painter";

interface Scope {
  postMessage(a: Answer): void;
  onmessage: (e: MessageEvent<Order>) => void;
}

if (typeof document === "undefined") {
  const scope = globalThis as unknown as Scope;
  const painter = new Painter((a) => scope.postMessage(a));
  scope.onmessage = (e) => painter.take(e.data);
} else {
  window.paintHere = (say) => new Painter(say);
}
