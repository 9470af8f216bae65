/** The table of locations. */
import { describe, expect, it } from "vitest";
import { findLocation, LOCATIONS } from "../../src/core/locations.ts";

/** Google's page of Cloud Tasks regions: none of them may go missing. */
const PUBLISHED = [
  "asia-east1",
  "asia-east2",
  "asia-northeast1",
  "asia-northeast2",
  "asia-northeast3",
  "asia-south1",
  "asia-southeast1",
  "asia-southeast2",
  "australia-southeast1",
  "europe-central2",
  "europe-west1",
  "europe-west2",
  "europe-west3",
  "europe-west6",
  "northamerica-northeast1",
  "southamerica-east1",
  "us-central1",
  "us-east1",
  "us-east4",
  "us-west1",
  "us-west2",
  "us-west3",
  "us-west4",
];

describe("locations", () => {
  it("has every region that Google publishes for Cloud Tasks", () => {
    expect(PUBLISHED.filter((id) => findLocation(id) === undefined)).toEqual([]);
  });

  it("is ascending, without repeats, and each has a name", () => {
    const ids = LOCATIONS.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)].sort());
    expect(LOCATIONS.filter(({ displayName }) => displayName === "")).toEqual([]);
  });

  it.each([
    ["us-central1", "enam", "Iowa"],
    ["us-west1", "wnam", "Oregon"],
    ["southamerica-east1", "sam", "São Paulo"],
    ["europe-west1", "weur", "Belgium"],
    ["europe-central2", "eeur", "Warsaw"],
    ["asia-northeast1", "apac", "Tokyo"],
    ["australia-southeast1", "oc", "Sydney"],
    ["africa-south1", "afr", "Johannesburg"],
    ["me-west1", "me", "Tel Aviv"],
  ])("puts %s in %s", (id, placement, displayName) => {
    expect(findLocation(id)).toMatchObject({ id, placement, displayName });
  });

  it("counts only member states to the EU", () => {
    const european = LOCATIONS.filter(({ id }) => id.startsWith("europe-"));
    expect(european.filter(({ eu }) => !eu).map(({ id }) => id)).toEqual([
      "europe-west2",
      "europe-west6",
    ]);
    expect(LOCATIONS.filter(({ id, eu }) => eu && !id.startsWith("europe-"))).toEqual([]);
  });

  it.each(["", "us", "us-central", "US-CENTRAL1", "us-central1-a", "moon-north1", "constructor"])(
    "does not know %j",
    (id) => {
      expect(findLocation(id)).toBeUndefined();
    },
  );
});
