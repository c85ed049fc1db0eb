/** Where models lie. */
import { describe, expect, test } from "vitest";
import { cacheFolders, modelFile } from "../../../cli/cache.ts";

const nothing = { cache: undefined, models: undefined };

describe("the cache", () => {
  test("is the one that is named, else the desktop's, else one in the home folder", () => {
    expect(cacheFolders({ ...nothing, cache: "/c" }, { XDG_CACHE_HOME: "/x" }, "/h").root).toBe("/c");
    expect(cacheFolders(nothing, { XDG_CACHE_HOME: "/x" }, "/h").root).toBe("/x/nereid");
    expect(cacheFolders(nothing, { XDG_CACHE_HOME: "" }, "/h").root).toBe("/h/.cache/nereid");
  });

  test("holds models as a Triton model repository", () => {
    expect(modelFile(cacheFolders(nothing, {}, "/h"), "tiny")).toBe("/h/.cache/nereid/models/tiny/1/model.gguf");
  });

  test("finishes downloads beside the repository that is chosen, so that the last step is a rename", () => {
    expect(cacheFolders({ ...nothing, models: ["/data/models", "/b"] }, {}, "/h").unfinished).toBe("/data/models.unfinished");
  });

  test("may be several repositories, the first of which gets what is fetched", () => {
    expect(cacheFolders({ ...nothing, models: ["/a", "/b"] }, {}, "/h")).toMatchObject({ models: "/a", repositories: ["/a", "/b"] });
    expect(cacheFolders(nothing, {}, "/h").repositories).toEqual(["/h/.cache/nereid/models"]);
  });
});
