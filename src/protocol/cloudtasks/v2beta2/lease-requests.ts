/** The messages of the methods on leases (discovery v2beta2; the batches are our own). */

import * as field from "../../message.ts";
import { commonSchema } from "../common-schema.ts";
import { PACKAGE } from "./queue.ts";

const { view } = commonSchema(PACKAGE);

export const lease = field.message(`${PACKAGE}.LeaseTasksRequest`, {
  parent: field.string(),
  maxTasks: field.int32(),
  leaseDuration: field.duration(),
  responseView: view(),
  filter: field.string(),
});

export const acknowledge = field.message(`${PACKAGE}.AcknowledgeTaskRequest`, {
  name: field.string(),
  scheduleTime: field.timestamp(),
});

export const renew = field.message(`${PACKAGE}.RenewLeaseRequest`, {
  name: field.string(),
  scheduleTime: field.timestamp(),
  leaseDuration: field.duration(),
  responseView: view(),
});

export const cancel = field.message(`${PACKAGE}.CancelLeaseRequest`, {
  name: field.string(),
  scheduleTime: field.timestamp(),
  responseView: view(),
});

const heldLeases = {
  parent: field.string(),
  requests: field.repeated(acknowledge),
};

export const batchAcknowledge = field.message(
  `${PACKAGE}.BatchAcknowledgeTasksRequest`,
  heldLeases,
);

export const batchRenew = field.message(`${PACKAGE}.BatchRenewLeaseRequest`, {
  ...heldLeases,
  leaseDuration: field.duration(),
});
