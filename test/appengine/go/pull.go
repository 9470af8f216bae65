package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/appengine/v2"
	"google.golang.org/appengine/v2/taskqueue"
)

func pullProofs() []proof {
	ctx := context.Background()
	pull := func(payload, tag string) *taskqueue.Task {
		return &taskqueue.Task{Method: "PULL", Payload: []byte(payload), Tag: tag}
	}
	add := func(queue string, tasks ...*taskqueue.Task) []*taskqueue.Task {
		added, err := taskqueue.AddMulti(ctx, tasks, queue)
		check(err)
		return added
	}
	return []proof{
		{"Lease: tasks are leased with payload and tag, and deleted", func() {
			added := add("pull", pull("one", ""), pull("two", "t"), pull("", ""))
			before := time.Now()
			leased, err := taskqueue.Lease(ctx, 10, "pull", 60)
			check(err)
			expect(len(leased) == 3, "%d leased", len(leased))
			for i, task := range leased {
				expect(task.Name == added[i].Name && task.Method == "PULL", "%+v", task)
				expect(string(task.Payload) == string(added[i].Payload), "%+v", task)
				expect(task.Tag == added[i].Tag && task.RetryCount == 1, "%+v", task)
				expect(task.ETA.After(before.Add(59*time.Second)), "%+v", task)
			}
			none, err := taskqueue.Lease(ctx, 10, "pull", 60)
			expect(err == nil && len(none) == 0, "%v %v", none, err)
			check(taskqueue.DeleteMulti(ctx, leased, "pull"))
		}},
		{"LeaseByTag: by a tag, and by the tag of the oldest task", func() {
			add("pull-tags", pull("0", "blue"), pull("1", "red"), pull("2", "blue"), pull("3", ""))
			for _, want := range []struct{ tag, payloads string }{
				{"red", "1"}, {"", "02"}, {"", "3"}, {"nobody", ""},
			} {
				leased, err := taskqueue.LeaseByTag(ctx, 10, "pull-tags", 60, want.tag)
				check(err)
				payloads := ""
				for _, task := range leased {
					payloads += string(task.Payload)
				}
				expect(payloads == want.payloads, "tag %q: %q", want.tag, payloads)
			}
		}},
		{"ModifyLease: longer, given back, and refused when it is over", func() {
			add("pull-leases", pull("x", ""))
			leased, err := taskqueue.Lease(ctx, 1, "pull-leases", 30)
			check(err)
			task, stale := leased[0], *leased[0]
			check(taskqueue.ModifyLease(ctx, task, "pull-leases", 3600))
			expect(task.ETA.After(time.Now().Add(3500*time.Second)), "%v", task.ETA)
			expectCode(taskqueue.ModifyLease(ctx, &stale, "pull-leases", 60), "TASK_LEASE_EXPIRED")
			check(taskqueue.ModifyLease(ctx, task, "pull-leases", 0))
			again, err := taskqueue.Lease(ctx, 1, "pull-leases", 60)
			check(err)
			expect(len(again) == 1 && again[0].RetryCount == 2, "%+v", again)
			check(taskqueue.Delete(ctx, again[0], "pull-leases"))
		}},
		{"DeleteMulti: the error of each", func() {
			added := add("pull-errors", pull("x", ""))
			some := []*taskqueue.Task{added[0], {Name: "never-was"}}
			found, ok := taskqueue.DeleteMulti(ctx, some, "pull-errors").(appengine.MultiError)
			expect(ok && found[0] == nil, "%v", found)
			expectCode(found[1], "UNKNOWN_TASK")
			expectCode(taskqueue.Delete(ctx, added[0], "pull-errors"), "TOMBSTONED_TASK")
		}},
		{"Purge: nothing is left", func() {
			add("pull-purged", pull("x", ""), pull("y", ""))
			check(taskqueue.Purge(ctx, "pull-purged"))
			stats, err := taskqueue.QueueStats(ctx, []string{"pull-purged"})
			check(err)
			expect(stats[0].Tasks == 0 && stats[0].OldestETA.IsZero(), "%+v", stats)
		}},
		{"QueueStats: of several queues, the default one among them", func() {
			before := time.Now().Add(-time.Second)
			add("pull-counted", pull("x", ""), pull("y", ""))
			_, err := taskqueue.Lease(ctx, 1, "pull-counted", 60)
			check(err)
			eventually("a counted lease", func() bool {
				stats, err := taskqueue.QueueStats(ctx, []string{"pull-counted", "", "push"})
				check(err)
				counted := stats[0]
				expect(len(stats) == 3 && counted.Tasks == 2, "%+v", stats)
				expect(counted.OldestETA.After(before), "%+v", counted)
				expect(stats[1].EnforcedRate == 5 && stats[2].EnforcedRate > 0, "%+v", stats)
				return counted.Executed1Minute == 1
			})
		}},
		{"Lease: refusals have their code", func() {
			_, err := taskqueue.Lease(ctx, 1, "push", 60)
			expectCode(err, "INVALID_QUEUE_MODE")
			_, err = taskqueue.Lease(ctx, 1, "nowhere", 60)
			expectCode(err, "UNKNOWN_QUEUE")
			_, err = taskqueue.Lease(ctx, 1001, "pull", 60)
			expectCode(err, "INVALID_REQUEST")
			_, err = taskqueue.Lease(ctx, 1, "pull", 7*24*3600+1)
			expectCode(err, "INVALID_REQUEST")
			expectCode(taskqueue.Purge(ctx, "nowhere"), "UNKNOWN_QUEUE")
			_, err = taskqueue.QueueStats(ctx, []string{"nowhere"})
			expectCode(err, "UNKNOWN_QUEUE")
			expect(fmt.Sprintf("%T", err) == "*internal.APIError", "%T", err)
		}},
	}
}
