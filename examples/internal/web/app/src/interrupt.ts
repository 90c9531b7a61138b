// Stands in for d3-transition in the build. d3-zoom needs of it only the interruption of transitions, and this page starts none:
// it flies by itself, so that one clock moves both camera and picture. That saves a third of the script.

import { selection } from "d3-selection";

/** interrupt has nothing to interrupt. */
export function interrupt(): void {}

Object.assign(selection.prototype, {
  interrupt(this: unknown) {
    return this;
  },
});
