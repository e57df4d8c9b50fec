/** What is to be shown, as `moments onsite` sends it. */
export interface Treatment {
  /** Its id, by which it is reported. */
  id: string;
  customer: string;
  trigger: string;
  channel: string;
  /** The name of what it looks like. */
  template: string;
  /** What is offered: `kind`, and what belongs to it. */
  offer: Record<string, unknown>;
  /** What the trigger says of it. */
  data: Record<string, unknown>;
  /** RFC 3339: not before. */
  good_from: string;
  /** RFC 3339: not after. */
  valid_until: string;
}

/** Answers by the name of the attribute that they are, and what she says of channels. */
export interface Answers {
  consent?: Record<string, boolean>;
  [attribute: string]: string | number | boolean | string[] | Record<string, boolean> | undefined;
}

/** What a page may do with a treatment that it shows. */
export interface Actions {
  /** She wants it gone: it is closed here, and on every other page of hers. */
  dismiss(): void;
  /** She follows something in it. It stays open. */
  click(url?: string): void;
  /** She answers. It is closed. */
  answer(answers: Answers): void;
}

/** Shows a treatment; returns what takes it off the page, or nothing where it cannot be shown. */
export type Render = (treatment: Treatment, actions: Actions) => (() => void) | undefined;

export interface Options {
  /** Where the site's backend hands on to `moments onsite`: `<url>/stream` and `<url>/<treatment>/<report>`. Default `/moments`. */
  url?: string;
  /** How treatments are shown. Default: by `<template data-moments="...">` of the page. */
  render?: Render;
}

/** Begins to show treatments; returns what ends that. */
export function onsite(options?: Options): () => void;

/** Shows a treatment by the page's `<template data-moments="<name>">`. */
export const fromTemplates: Render;
