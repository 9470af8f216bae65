/** The method ids of a discovery document, so that tests can be held against it. */
interface Resource {
  readonly methods?: Readonly<Record<string, { readonly id: string }>>;
  readonly resources?: Readonly<Record<string, Resource>>;
}

export function methodIds(document: object): readonly string[] {
  const { methods = {}, resources = {} } = document as Resource;
  return [
    ...Object.values(methods).map(({ id }) => id),
    ...Object.values(resources).flatMap(methodIds),
  ].sort();
}
