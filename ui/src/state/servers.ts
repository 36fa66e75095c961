import type { IceServer } from '../generated/protocol';

/** Servers as people write them: `URL, NAME, PASSWORD`, one a line. */
export function toLines(servers: IceServer[]): string {
  return servers
    .map(({ urls, username, credential }) => [urls[0], username, credential].filter((part) => part !== undefined).join(', '))
    .join('\n');
}

/** The lines that say something. */
export function fromLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
