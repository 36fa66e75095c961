import { Grace, type Timing } from '../../state/grace';

/** Whether to show a thing, with its grace periods. `elapsed` tells for how long it has been wanted already. */
export function graced(wanted: () => boolean, timing: Timing, elapsed: () => number = () => 0): { readonly shown: boolean } {
  const grace = new Grace(timing);
  let shown = $state(false);
  $effect(() => {
    const want = wanted();
    const now = performance.now();
    grace.want(want, now, now - (want ? elapsed() : 0));
    let timer = 0;
    const look = () => {
      shown = grace.poll(performance.now());
      const next = grace.next();
      if (next !== null) timer = window.setTimeout(look, Math.max(1, next - performance.now()));
    };
    look();
    return () => clearTimeout(timer);
  });
  return {
    get shown() {
      return shown;
    },
  };
}
