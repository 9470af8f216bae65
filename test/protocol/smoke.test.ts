import { expect, it } from "vitest";
import { createQueue, httpTask, ok, send, snapshot } from "./rest.ts";
it("smoke", async () => {
  const q = await createQueue({retryConfig:{maxRetryDuration:"3.5s"}});
  console.log(JSON.stringify(await ok("GET", `/v2/${q}`), null, 1));
  console.log(JSON.stringify(await send("POST", `/v2/${q}/tasks`, httpTask({name: q+"/tasks/t1"},{body:"aGVsbG8="})), null, 1));
  console.log(JSON.stringify(await send("POST", `/v2/${q}/tasks`, {task:{http_request:{url:"http://x.y", foo_bar: 1, httpMethod: "X", headers: {a: 1}}, zed:[1], name: {}}}), null, 1));
  console.log(JSON.stringify(await send("POST", `/v2/${q}/tasks:batchCreate`, {requests:[httpTask(), httpTask({name:q+"/tasks/t1"}), httpTask({},{url:""})]}), null, 1));
  console.log(JSON.stringify(await snapshot(q), null, 1));
  for (const [m,p,b] of [["GET","/v2/hello_q"],["POST","/v2/not-a-valid-parent/queues",{}],["GET","/v2/projects/p/foo"],["PUT",`/v2/${q}`],["OPTIONS",`/v2/${q}`],["HEAD",`/v2/${q}`],["GET","/healthz"],["GET","/"],["GET","/x"],["GET","/.well-known/jwks.json"],["GET","/v2/projects/p/locations/nope/queues"],["GET","/v1/projects/p/locations?pageSize=2&$alt=json%3Benum-encoding=int"],["POST", `/v2/${q}/tasks`, httpTask({scheduleTime:"2100-01-01T00:00:00Z"})]] as const)
    console.log(m,p,JSON.stringify(await send(m,p,b)));
});
