// What the server answers, as far as this page reads it.

/** A domain of /api/v1/domains. */
export interface Domain {
  name: string;
  label?: string;
  reporting?: boolean;
  software?: string;
  software_version?: string;
  users?: number;
  first?: string;
  last?: string;
  reported?: string;
  until?: string;
  unnamed?: number;
  links?: number;
  mutual?: number;
}

/** A neighbour of a domain. */
export interface Neighbour {
  name: string;
  label?: string;
  state?: string;
  /** Who reports the link: both, self or other. */
  claimed?: string;
  first?: string;
  last?: string;
}

/** /api/v1/domains/NAME */
export interface Detail extends Domain {
  neighbours?: Neighbour[];
  verdict?: { named?: boolean; reason?: string; until?: string };
  seen?: { first: string; last: string; open?: boolean }[];
}

/** A point of /api/v1/history. */
export interface Point {
  at: string;
  domains: number;
  links: number;
  unnamed: number;
}

/** /api/v1/history */
export interface History {
  from: string;
  to: string;
  points: Point[];
}

/** get asks for JSON. An answer that isn't 200 is undefined; no answer at all is an error. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T | undefined> {
  const r = await fetch(path, { signal, headers: { Accept: "application/json" } });
  return r.ok ? ((await r.json()) as T) : undefined;
}
