package main

import (
	"context"
	"errors"

	"google.golang.org/appengine/v2/datastore"
	"google.golang.org/appengine/v2/taskqueue"
)

func transactionProofs() []proof {
	const queue = "pull-transactions"
	ctx := context.Background()
	// add adds in a transaction, by both of the SDK's functions; nothing is to be seen of it yet.
	add := func(tc context.Context) {
		task := func() *taskqueue.Task { return &taskqueue.Task{Method: "PULL"} }
		_, err := taskqueue.Add(tc, task(), queue)
		check(err)
		_, err = taskqueue.AddMulti(tc, []*taskqueue.Task{task(), task()}, queue)
		check(err)
		expect(leased(ctx, queue) == 0, "visible before the commit")
	}
	return []proof{
		{"RunInTransaction: after the commit all tasks are there", func() {
			run := func(tc context.Context) error { add(tc); return nil }
			check(datastore.RunInTransaction(ctx, run, &datastore.TransactionOptions{XG: true}))
			found := 0
			eventually("three tasks", func() bool { found += leased(ctx, queue); return found == 3 })
		}},
		{"RunInTransaction: after an error there is none", func() {
			planned := errors.New("planned")
			run := func(tc context.Context) error { add(tc); return planned }
			err := datastore.RunInTransaction(ctx, run, nil)
			expect(err == planned, "%v", err)
			expect(leased(ctx, queue) == 0, "visible after the rollback")
		}},
	}
}

// leased takes what is there and deletes it.
func leased(ctx context.Context, queue string) int {
	tasks, err := taskqueue.Lease(ctx, 10, queue, 60)
	check(err)
	if len(tasks) > 0 {
		check(taskqueue.DeleteMulti(ctx, tasks, queue))
	}
	return len(tasks)
}
