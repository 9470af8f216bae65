/** locations.list and locations.get: the same under /v1, /v2 and the betas. */
import { findLocation, LOCATIONS, type Location } from "../../core/locations.ts";
import { locationPath } from "../../core/names.ts";
import { ok } from "../../core/result.ts";
import { unknownLocation } from "../errors.ts";
import { readPageSize } from "../query.ts";
import type { Answer, Call } from "./call.ts";
import { type FilterFields, readFilter } from "./filter.ts";
import { type ListIdentity, readPageToken, writePageToken } from "./page-token.ts";

const FIELDS: FilterFields = {
  name: "text",
  locationId: "text",
  displayName: "text",
  labels: "message",
};

export async function getLocation({ resource }: Call): Answer {
  const location = findLocation(resource.location);
  return location === undefined
    ? unknownLocation(resource.location)
    : ok(writeLocation(resource.project, location));
}

export async function listLocations({ resource, query, nowUs }: Call): Answer {
  const pageSize = readPageSize(query, LOCATIONS.length);
  if (!pageSize.ok) return pageSize;
  const filterText = query.values.get("filter") ?? "";
  const filter = readFilter(filterText, FIELDS);
  if (!filter.ok) return filter;
  const list: ListIdentity = ["locations", resource.project, filterText];
  const cursor = readPageToken(query.values.get("pageToken"), list, ["number"], nowUs);
  if (!cursor.ok) return cursor;

  const start = Number(cursor.value?.[0] ?? 0);
  const matching = LOCATIONS.map((location) => writeLocation(resource.project, location)).filter(
    filter.value,
  );
  const end = start + pageSize.value;
  return ok({
    ...(matching.length <= start ? {} : { locations: matching.slice(start, end) }),
    ...(matching.length <= end ? {} : { nextPageToken: writePageToken(list, [end], nowUs) }),
  });
}

function writeLocation(project: string, { id, displayName }: Location): object {
  return {
    name: locationPath({ project, location: id }),
    locationId: id,
    displayName,
    labels: { "cloud.googleapis.com/region": id },
  };
}
