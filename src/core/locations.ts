/**
 * The locations a queue can live in: Google Cloud's regions, each with the place on Cloudflare's
 * network where its objects are put.
 *
 * Google's page of Cloud Tasks regions (cloud.google.com/tasks/docs/locations) is shorter and
 * grows; all of its regions are taken here, so that a caller in a newer one has nothing to change.
 */

/** Where Cloudflare puts an object on its first use (platform.md §6). */
export type PlacementHint =
  | "wnam"
  | "enam"
  | "sam"
  | "weur"
  | "eeur"
  | "apac"
  | "oc"
  | "afr"
  | "me";

export interface Location {
  /** The LOCATION_ID of resource names. */
  readonly id: string;
  /** A nearby city or area, as Location.displayName shows it. */
  readonly displayName: string;
  readonly placement: PlacementHint;
  /** In a member state of the European Union; London and Zürich are not. */
  readonly eu: boolean;
}

type Row = readonly [id: string, displayName: string, placement: PlacementHint];

const EU: readonly Row[] = [
  ["europe-central2", "Warsaw", "eeur"],
  ["europe-north1", "Finland", "eeur"],
  ["europe-north2", "Stockholm", "weur"],
  ["europe-southwest1", "Madrid", "weur"],
  ["europe-west1", "Belgium", "weur"],
  ["europe-west10", "Berlin", "weur"],
  ["europe-west12", "Turin", "weur"],
  ["europe-west3", "Frankfurt", "weur"],
  ["europe-west4", "Netherlands", "weur"],
  ["europe-west8", "Milan", "weur"],
  ["europe-west9", "Paris", "weur"],
];

const ELSEWHERE: readonly Row[] = [
  ["africa-south1", "Johannesburg", "afr"],
  ["asia-east1", "Taiwan", "apac"],
  ["asia-east2", "Hong Kong", "apac"],
  ["asia-northeast1", "Tokyo", "apac"],
  ["asia-northeast2", "Osaka", "apac"],
  ["asia-northeast3", "Seoul", "apac"],
  ["asia-south1", "Mumbai", "apac"],
  ["asia-south2", "Delhi", "apac"],
  ["asia-southeast1", "Singapore", "apac"],
  ["asia-southeast2", "Jakarta", "apac"],
  ["australia-southeast1", "Sydney", "oc"],
  ["australia-southeast2", "Melbourne", "oc"],
  ["europe-west2", "London", "weur"],
  ["europe-west6", "Zürich", "weur"],
  ["me-central1", "Doha", "me"],
  ["me-central2", "Dammam", "me"],
  ["me-west1", "Tel Aviv", "me"],
  ["northamerica-northeast1", "Montréal", "enam"],
  ["northamerica-northeast2", "Toronto", "enam"],
  ["northamerica-south1", "Querétaro", "enam"],
  ["southamerica-east1", "São Paulo", "sam"],
  ["southamerica-west1", "Santiago", "sam"],
  ["us-central1", "Iowa", "enam"],
  ["us-east1", "South Carolina", "enam"],
  ["us-east4", "Northern Virginia", "enam"],
  ["us-east5", "Columbus", "enam"],
  ["us-south1", "Dallas", "enam"],
  ["us-west1", "Oregon", "wnam"],
  ["us-west2", "Los Angeles", "wnam"],
  ["us-west3", "Salt Lake City", "wnam"],
  ["us-west4", "Las Vegas", "wnam"],
];

/** Every location, ascending by id. */
export const LOCATIONS: readonly Location[] = [
  ...EU.map((row) => location(row, true)),
  ...ELSEWHERE.map((row) => location(row, false)),
].sort((a, b) => (a.id < b.id ? -1 : 1));

const byId: ReadonlyMap<string, Location> = new Map(LOCATIONS.map((entry) => [entry.id, entry]));

/** The location with this id; undefined when there is none. */
export function findLocation(id: string): Location | undefined {
  return byId.get(id);
}

function location([id, displayName, placement]: Row, eu: boolean): Location {
  return { id, displayName, placement, eu };
}
