import { expect, it } from 'vitest';

import { diagnostics } from './diagnostics';
import { tile } from './fixtures';

it('diagnostics tell the cause and name nobody', () => {
  const text = diagnostics(tile('f00d', 'failed', { name: 'Anna', cause: 'network-lost', since: 1000 }), { state: 'up' }, 61_000);
  expect(text).toContain('cause: network-lost');
  expect(text).toContain('for: 60 s');
  expect(text).not.toContain('Anna');
});
