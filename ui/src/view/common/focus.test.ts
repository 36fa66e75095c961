import { beforeEach, describe, expect, it } from 'vitest';

import { Refuge } from './focus';

describe('the focus', () => {
  let active: Element | null;
  let refuge: Refuge;

  class Element {
    isConnected = true;
    focus() {
      active = this;
      refuge.focused(this);
    }
    /** Taken out of the page: whatever had the focus has it no more. */
    remove() {
      this.isConnected = false;
      if (active === this) active = null;
    }
  }

  let [button, title, other] = [new Element(), new Element(), new Element()];

  beforeEach(() => {
    active = null;
    [button, title, other] = [new Element(), new Element(), new Element()];
    refuge = new Refuge(
      () => active === null,
      () => title,
    );
  });

  it('goes to the heading when what had it is taken away', () => {
    button.focus();
    button.remove();
    refuge.settle();
    expect(active).toBe(title);
  });

  it('stays where it is while the page changes', () => {
    button.focus();
    other.remove();
    refuge.settle();
    expect(active).toBe(button);
  });

  it('is left to whoever puts it elsewhere', () => {
    button.focus();
    button.remove();
    other.focus();
    refuge.settle();
    expect(active).toBe(other);
  });

  it('is not brought back once it was put down', () => {
    button.focus();
    active = null;
    refuge.released(button);
    button.remove();
    refuge.settle();
    expect(active).toBeNull();
  });

  it('is not taken by a page where nothing ever had it', () => {
    refuge.settle();
    expect(active).toBeNull();
  });
});
