// Words and numbers for people. Names are strangers' text.

/** Control characters that reorder or hide text, and invisible ones. */
const TRICKS = /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff]/gu;

/** The most characters of a stranger's text that are shown. */
const LONGEST = 120;

/** safe makes a stranger's text fit for showing: what reorders or hides text becomes a visible sign, and too much is cut. */
export function safe(text: string): string {
  const clean = text.replace(TRICKS, "\ufffd");
  return clean.length > LONGEST ? clean.slice(0, LONGEST - 1) + "…" : clean;
}

/** count writes a number with separators between thousands. */
export function count(n: number): string {
  return Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** plural writes a number with its noun. */
export function plural(n: number, one: string, many = one + "s"): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/** day writes a date: 5 January 2026. */
export function day(d: Date): string {
  return `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]} ${d.getUTCFullYear()}`;
}

/** moment writes a date and a time in UTC. */
export function moment(d: Date): string {
  return `${day(d)}, ${d.toISOString().slice(11, 16)} UTC`;
}

/** because says why a domain may be named, by the server's word for it, which is missing where the last visit got no answer. */
export function because(reason?: string): string {
  return reason === "listed"
    ? "It is on a list of public providers, whose domains the operator of this site names without their asking for it."
    : "It advertises urn:xmpp:serverinfo:0 in its own service discovery, which is how a domain opts in to being named.";
}
