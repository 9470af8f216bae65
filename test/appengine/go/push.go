package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"google.golang.org/appengine/v2"
	"google.golang.org/appengine/v2/taskqueue"
)

func pushProofs(receiver *receiver) []proof {
	ctx := context.Background()
	return []proof{
		{"Add: a POST task of the default queue is delivered with its form", func() {
			form := url.Values{"key": {"a & b"}}
			task, err := taskqueue.Add(ctx, taskqueue.NewPOSTTask("/worker", form), "")
			check(err)
			expect(task.Name != "" && task.Method == "POST", "%+v", task)
			got := receiver.wait(task.Name, 1)[0]
			expect(got.method == "POST" && got.url == "/default/worker", "%+v", got)
			expect(got.body == form.Encode(), "%+v", got)
			kind := got.header.Get("Content-Type")
			expect(kind == "application/x-www-form-urlencoded", "%+v", got)
		}},
		{"Add: methods, headers, the queue's own url", func() {
			for _, method := range []string{"GET", "POST", "HEAD", "PUT", "DELETE"} {
				header := http.Header{"X-List": {"a", "b"}}
				task, err := taskqueue.Add(ctx, &taskqueue.Task{Method: method, Header: header}, "push")
				check(err)
				got := receiver.wait(task.Name, 1)[0]
				expect(got.method == method && got.url == "/default/_ah/queue/push", "%+v", got)
				expect(strings.Join(got.header.Values("X-List"), ", ") == "a, b", "%+v", got)
			}
		}},
		{"ParseRequestHeaders: reads what a delivery and its retry tell", func() {
			receiver.fail("told", 1)
			added := time.Now()
			_, err := taskqueue.Add(ctx, &taskqueue.Task{Path: "/w", Name: "told"}, "retried")
			check(err)
			got := receiver.wait("told", 2)
			first := taskqueue.ParseRequestHeaders(got[0].header)
			expect(first.QueueName == "retried" && first.TaskName == "told", "%+v", first)
			expect(first.TaskRetryCount == 0 && first.TaskPreviousResponse == 0, "%+v", first)
			second := taskqueue.ParseRequestHeaders(got[1].header)
			expect(second.TaskRetryCount == 1 && second.TaskExecutionCount == 1, "%+v", second)
			expect(second.TaskPreviousResponse == 503 && second.TaskRetryReason != "", "%+v", second)
			expect(!second.FailFast, "%+v", second)
			// The SDK reads whole seconds alone; the header has their fraction as well.
			eta := got[0].header.Get("X-AppEngine-TaskETA")
			var seconds float64
			_, err = fmt.Sscanf(eta, "%f", &seconds)
			check(err)
			expect(seconds >= float64(added.Unix()), "%s", eta)
		}},
		{"Add: a name that is taken or was is ErrTaskAlreadyAdded", func() {
			task := &taskqueue.Task{Path: "/w", Name: "taken", Delay: time.Hour}
			_, err := taskqueue.Add(ctx, task, "push")
			check(err)
			_, err = taskqueue.Add(ctx, task, "push")
			expect(err == taskqueue.ErrTaskAlreadyAdded, "%v", err)
			check(taskqueue.Delete(ctx, task, "push"))
			_, err = taskqueue.Add(ctx, task, "push")
			expect(err == taskqueue.ErrTaskAlreadyAdded, "%v", err)
		}},
		{"Add: refusals have their code", func() {
			_, err := taskqueue.Add(ctx, &taskqueue.Task{}, "nowhere")
			expectCode(err, "UNKNOWN_QUEUE")
			_, err = taskqueue.Add(ctx, &taskqueue.Task{}, "pull")
			expectCode(err, "INVALID_QUEUE_MODE")
			_, err = taskqueue.Add(ctx, &taskqueue.Task{Name: "not a name"}, "push")
			expectCode(err, "INVALID_TASK_NAME")
			_, err = taskqueue.Add(ctx, &taskqueue.Task{Delay: 31 * 24 * time.Hour}, "push")
			expectCode(err, "INVALID_ETA")
			_, err = taskqueue.Add(ctx, &taskqueue.Task{Payload: make([]byte, 102_400)}, "push")
			expectCode(err, "TASK_TOO_LARGE")
		}},
		{"Add: RetryOptions limit the retries", func() {
			options := &taskqueue.RetryOptions{
				RetryLimit: 1, AgeLimit: time.Second, MinBackoff: 50 * time.Millisecond,
				MaxBackoff: 100 * time.Millisecond, ApplyZeroMaxDoublings: true,
			}
			receiver.fail("limited", 1)
			task := &taskqueue.Task{Path: "/w", Name: "limited", RetryOptions: options}
			_, err := taskqueue.Add(ctx, task, "push")
			check(err)
			got := receiver.wait("limited", 2)[1]
			expect(got.header.Get("X-AppEngine-TaskRetryCount") == "1", "%+v", got)
		}},
		{"AddMulti: a hundred tasks in a call, and the error of each", func() {
			var tasks []*taskqueue.Task
			for i := 0; i < 100; i++ {
				payload := []byte(fmt.Sprint("n=", i))
				tasks = append(tasks, &taskqueue.Task{Path: "/w", Payload: payload})
			}
			added, err := taskqueue.AddMulti(ctx, tasks, "push")
			check(err)
			for i, task := range added {
				expect(receiver.wait(task.Name, 1)[0].body == fmt.Sprint("n=", i), "%s", task.Name)
			}
			some := []*taskqueue.Task{{Name: "multi", Delay: time.Hour}, {Delay: time.Hour}}
			_, err = taskqueue.AddMulti(ctx, some[:1], "push")
			check(err)
			_, err = taskqueue.AddMulti(ctx, some, "push")
			found, ok := err.(appengine.MultiError)
			expect(ok && found[0] == taskqueue.ErrTaskAlreadyAdded && found[1] == nil, "%v", err)
		}},
		{"NewContext: a handler's own ticket is the one that is sent", func() {
			request := httptest.NewRequest("GET", "/", nil)
			request.Header.Set("X-AppEngine-API-Ticket", "ticket")
			handler := func(w http.ResponseWriter, r *http.Request) {
				task := taskqueue.NewPOSTTask("/from-handler", nil)
				added, err := taskqueue.Add(appengine.NewContext(r), task, "push")
				check(err)
				receiver.wait(added.Name, 1)
				w.WriteHeader(http.StatusNoContent)
			}
			reply := httptest.NewRecorder()
			appengine.Middleware(http.HandlerFunc(handler)).ServeHTTP(reply, request)
			expect(reply.Code == http.StatusNoContent, "%d", reply.Code)
		}},
	}
}

// expectCode expects an error of the service with this code, as the SDK spells it.
func expectCode(err error, code string) {
	expect(err != nil && strings.Contains(err.Error(), code), "expected %s, not %v", code, err)
}
