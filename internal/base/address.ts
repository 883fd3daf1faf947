/**
 * Addresses as people write them: `host:port`, an IPv6 host in brackets.
 *
 * @module
 */

/** Where to listen or whom to dial. An IPv6 host stands without brackets. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `null` where the text is no address. */
export function parseAddress(text: string): HostPort | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || !(port <= 65_535) ? null : { host, port };
}

export function showAddress({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
