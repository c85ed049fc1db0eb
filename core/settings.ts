/**
 * Settings from one table: each has a flag, an environment variable, a default, limits and help. A program's own table is typed
 * by what it reads; its help and the manual's table are printed from it.
 */
import { ServingError } from "./errors.ts";

/** How a setting's text becomes a value. */
export interface SettingKind<Value> {
  /** What is allowed, for help and errors: `0 to 65535`. */
  readonly allowed: string;
  /** undefined when the text is not allowed. */
  parse(text: string): Value | undefined;
  /** A switch: its flag stands alone, `--no-flag` turns it off. */
  readonly isSwitch?: true;
  /** Its flag may be given several times: the texts are joined with `;`. */
  readonly repeats?: true;
  /** Errors do not show what was given. */
  readonly isSecret?: true;
}

export interface Setting<Value> {
  readonly kind: SettingKind<Value>;
  readonly fallback: Value;
  readonly help: string;
  /** Such as `ms`; empty when the value has none. */
  readonly unit?: string;
  /** What stands for the default in help, where its value depends on the machine. */
  readonly fallbackText?: string;
  /** A letter that does as well as the flag. */
  readonly short?: string;
  /** Other names of the flag, as the property is written: `modelRepository`. */
  readonly aliases?: readonly string[];
  /** The environment variable, where it has a name of its own. */
  readonly environment?: string;
}

export type SettingsTable = Readonly<Record<string, Setting<unknown>>>;
export type SettingsOf<Table extends SettingsTable> = { readonly [Name in keyof Table]: Table[Name]["fallback"] };

/** Binds the type of one row of a table. */
export const setting = <Value>(row: Setting<Value>): Setting<Value> => row;

export function wholeNumber(min: number, max: number): SettingKind<number> {
  return {
    allowed: `${min} to ${max}`,
    parse: (text) => {
      const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

export function decimal(min: number, max: number): SettingKind<number> {
  return {
    allowed: `${min} to ${max}`,
    parse: (text) => {
      const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

export function text(allowed = "any text"): SettingKind<string> {
  return { allowed, parse: (value) => (value === "" ? undefined : value) };
}

export function oneOf<const Values extends readonly string[]>(values: Values): SettingKind<Values[number]> {
  return { allowed: values.join(", "), parse: (value) => values.find((known) => known === value) };
}

export function yesNo(): SettingKind<boolean> {
  const words = new Map([
    ["true", true],
    ["yes", true],
    ["1", true],
    ["false", false],
    ["no", false],
    ["0", false],
  ]);
  return { allowed: "true or false", parse: (value) => words.get(value.toLowerCase()), isSwitch: true };
}

const BYTE_UNITS = new Map([
  ["", 1],
  ["k", 2 ** 10],
  ["m", 2 ** 20],
  ["g", 2 ** 30],
  ["t", 2 ** 40],
]);

/** `512M`: K, M, G and T are powers of 1024. */
export function byteSize(): SettingKind<number> {
  return {
    allowed: "bytes, or a number with K, M, G or T",
    parse: (value) => {
      const [, digits, unit] = /^(\d+)([kmgt]?)$/i.exec(value) ?? [];
      const bytes = Number(digits) * (BYTE_UNITS.get(unit?.toLowerCase() ?? "") ?? Number.NaN);
      return Number.isSafeInteger(bytes) ? bytes : undefined;
    },
  };
}

/** Allows a setting to be left out: its fallback is undefined. */
export function optional<Value>(kind: SettingKind<Value>): SettingKind<Value | undefined> {
  return kind;
}

/** Values between commas. */
export function listOf<Value>(kind: SettingKind<Value>): SettingKind<readonly Value[]> {
  return {
    allowed: `${kind.allowed}; several with commas`,
    parse: (value) => {
      const values = value.split(",").map((part) => kind.parse(part.trim()));
      return values.includes(undefined) ? undefined : values.filter((one) => one !== undefined);
    },
  };
}

/** Any number of values, each with a flag of its own, or with `;` between them. */
export function manyOf<Value>(kind: SettingKind<Value>): SettingKind<readonly Value[]> {
  return {
    ...kind,
    allowed: `${kind.allowed}; several with ;`,
    repeats: true,
    parse: (value) => {
      const values = value.split(";").map((part) => kind.parse(part.trim()));
      return values.includes(undefined) ? undefined : values.filter((one) => one !== undefined);
    },
  };
}

export function secret<Value>(kind: SettingKind<Value>): SettingKind<Value> {
  return { ...kind, isSecret: true };
}

export const flagOf = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
export const environmentOf = (name: string, { environment }: { readonly environment?: string | undefined } = {}): string =>
  environment ?? `NEREID_${name.replace(/[A-Z]/g, "_$&").toUpperCase()}`;

export interface SettingsSource {
  /** Such as `process.argv.slice(2)`. */
  readonly flags: readonly string[];
  /** Such as `process.env`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Flags before environment before defaults.
 * @throws ServingError INVALID_ARGUMENT naming the setting, the value and what is allowed.
 */
export function readSettings<Table extends SettingsTable>(table: Table, source: SettingsSource): SettingsOf<Table> {
  const flags = readFlags(table, source.flags);
  const read = ([name, row]: [string, Setting<unknown>]): [string, unknown] => {
    const { kind, fallback } = row;
    const flag = flags.get(name);
    if (flag !== undefined) return [name, parsed(flagOf(name), kind, flag)];
    const variable = environmentOf(name, row);
    const value = source.environment[variable];
    if (value !== undefined && value !== "") return [name, parsed(variable, kind, value)];
    return [name, fallback];
  };
  return Object.fromEntries(Object.entries(table).map(read)) as SettingsOf<Table>; // the table's rows type its values
}

function parsed(where: string, kind: SettingKind<unknown>, value: string): unknown {
  const result = kind.parse(value);
  if (result !== undefined) return result;
  const what = kind.isSecret === true ? "what is given" : JSON.stringify(value.slice(0, 200));
  throw new ServingError("INVALID_ARGUMENT", `${where}: ${what} is not allowed; allowed: ${kind.allowed}`);
}

function readFlags(table: SettingsTable, flags: readonly string[]): ReadonlyMap<string, string> {
  const names = new Map(
    Object.entries(table).flatMap(([name, { aliases = [] }]) => [name, ...aliases].map((known) => [flagOf(known), name] as const)),
  );
  const values = new Map<string, string>();
  const rest = [...flags];
  for (let flag = rest.shift(); flag !== undefined; flag = rest.shift()) {
    const equals = flag.indexOf("=");
    const key = equals === -1 ? flag : flag.slice(0, equals);
    const name = names.get(key);
    const negated = names.get(key.replace(/^--no-/, "--"));
    if (name === undefined && negated !== undefined && equals === -1 && table[negated]?.kind.isSwitch === true) {
      values.set(negated, "false");
      continue;
    }
    if (name === undefined) {
      throw new ServingError("INVALID_ARGUMENT", `${key.slice(0, 200)} is no setting; --help lists them`);
    }
    const isSwitch = table[name]?.kind.isSwitch === true;
    const value = equals === -1 ? (isSwitch ? "true" : rest.shift()) : flag.slice(equals + 1);
    if (value === undefined) throw new ServingError("INVALID_ARGUMENT", `${key} needs a value: ${table[name]?.kind.allowed}`);
    const before = table[name]?.kind.repeats === true ? values.get(name) : undefined;
    values.set(name, before === undefined ? value : `${before};${value}`);
  }
  return values;
}

/** A setting as documents and help show it. */
export interface SettingText {
  readonly flag: string;
  readonly environment: string;
  readonly allowed: string;
  readonly fallback: string;
  readonly help: string;
}

export function settingText(name: string, row: Setting<unknown>): SettingText {
  const { kind, fallback, fallbackText, unit, help, short, aliases = [], environment } = row;
  return {
    flag: [...(short === undefined ? [] : [`-${short}`]), ...[name, ...aliases].map(flagOf)].join(", "),
    environment: environmentOf(name, { environment }),
    allowed: unit === undefined ? kind.allowed : `${kind.allowed} ${unit}`,
    fallback: fallbackText ?? (fallback === undefined ? "" : String(fallback)),
    help,
  };
}

/** The manual's table. */
export function settingsMarkdown(table: SettingsTable): string {
  const rows = Object.entries(table).map(([name, row]) => {
    const { flag, environment, allowed, fallback, help } = settingText(name, row);
    return `| \`${flag}\` | \`${environment}\` | ${fallback === "" ? "" : `\`${fallback}\``} | ${allowed} | ${help} |`;
  });
  return ["| flag | environment | default | allowed | meaning |", "| --- | --- | --- | --- | --- |", ...rows].join("\n");
}
