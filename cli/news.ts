/** Lines that say how a program is coming along: one whenever something has become otherwise. */

export class News {
  readonly #output: { write(text: string): unknown };
  readonly #said = new Map<string, string>();

  constructor(output: { write(text: string): unknown }) {
    this.#output = output;
  }

  /** Printed unless the same was said last of this subject. */
  say(subject: string, what: string): void {
    if (this.#said.get(subject) === what) return;
    this.#said.set(subject, what);
    this.#output.write(`${subject}: ${what}\n`);
  }
}
