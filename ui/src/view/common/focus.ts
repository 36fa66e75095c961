/** What has the focus, as far as it matters here. */
type Focused = Pick<HTMLElement, 'isConnected' | 'focus'>;

/**
 * Gives the focus a new place when what had it goes away: the keyboard would begin at the top again, and a screen reader
 * would fall silent. `focused` is told about every focus; `settle` looks, after each change of the page, whether it was lost.
 */
export class Refuge {
  #last: Focused | null = null;
  readonly #lost: () => boolean;
  readonly #place: () => Focused | null;

  /** `lost` tells whether nothing has the focus; `place` finds where it goes. */
  constructor(lost: () => boolean, place: () => Focused | null) {
    this.#lost = lost;
    this.#place = place;
  }

  /** Something took the focus. */
  focused(element: Focused): void {
    this.#last = element;
  }

  /** The focus was put down, by a press on nothing. */
  released(element: Focused): void {
    if (element === this.#last && element.isConnected && this.#lost()) this.#last = null;
  }

  /** The page has changed. */
  settle(): void {
    if (!this.#last || this.#last.isConnected || !this.#lost()) return;
    this.#last = null;
    this.#place()?.focus();
  }
}

/** Keeps the focus in the page; the result stops it. */
export function keepFocus(): () => void {
  const refuge = new Refuge(
    () => document.activeElement === null || document.activeElement === document.body,
    heading,
  );
  const came = (event: FocusEvent) => {
    if (event.target instanceof HTMLElement) refuge.focused(event.target);
  };
  const went = ({ target }: FocusEvent) => {
    // An element that is being taken away may still be there when it tells.
    if (target instanceof HTMLElement) setTimeout(() => refuge.released(target));
  };
  const watch = new MutationObserver(() => refuge.settle());
  document.addEventListener('focusin', came);
  document.addEventListener('focusout', went);
  watch.observe(document.body, { childList: true, subtree: true });
  return () => {
    document.removeEventListener('focusin', came);
    document.removeEventListener('focusout', went);
    watch.disconnect();
  };
}

/** The heading of the screen. */
function heading(): HTMLElement | null {
  const found = document.querySelector<HTMLElement>('main h1');
  if (found && !found.hasAttribute('tabindex')) found.tabIndex = -1;
  return found;
}
