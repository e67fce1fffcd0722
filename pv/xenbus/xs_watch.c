/*
 * Watches of the xenstore client.
 *
 *   XS_WATCH sent -> registered -> [event queued -> function called]* ->
 *   XS_UNWATCH sent -> freed (when its function has returned)
 *
 * Invariants:
 *  1. A watch's function is never entered while it runs; its events wait.
 *  2. Events of one watch are delivered in the order of arrival.
 *  3. After each round of os_wait() the queue holds events of running
 *     watches only: a round that brought an event counts as work, so nobody
 *     goes to sleep over one.
 */
#include "pv/lib.h"
#include "pv/xenbus/xs_impl.h"

void xs_event_arrived(struct xs *xs, char *payload, size_t len)
{
    struct xs_event *ev;

    if (payload == NULL || xs->events >= XS_EVENTS_MAX ||
        (ev = os_malloc(xs->os, sizeof(*ev))) == NULL) {
        os_free(xs->os, payload);
        return;
    }
    ev->next = NULL;
    ev->payload = payload;
    ev->len = len;
    if (xs->ev_head == NULL) {
        xs->ev_head = ev;
    } else {
        xs->ev_tail->next = ev;
    }
    xs->ev_tail = ev;
    xs->events++;
}

static struct xs_watch *find_watch(struct xs *xs, const struct xs_event *ev)
{
    size_t path_len = lib_strlen(ev->payload);
    struct xs_watch *w;

    if (path_len + 1 >= ev->len) {
        return NULL; /* no token */
    }
    for (w = xs->watches; w != NULL; w = w->next) {
        if (lib_streq(w->token, ev->payload + path_len + 1)) {
            return w;
        }
    }
    return NULL;
}

static void watch_free(struct xs *xs, struct xs_watch *w)
{
    os_free(xs->os, w->path);
    os_free(xs->os, w);
}

/* Takes the first event that can be delivered now (NULL in *w: nobody's). */
static struct xs_event *take_event(struct xs *xs, struct xs_watch **w)
{
    struct xs_event *ev = xs->ev_head, *prev = NULL;

    for (; ev != NULL; prev = ev, ev = ev->next) {
        *w = find_watch(xs, ev);
        if (*w == NULL || !(*w)->running) {
            break;
        }
    }
    if (ev == NULL) {
        return NULL;
    }
    if (prev == NULL) {
        xs->ev_head = ev->next;
    } else {
        prev->next = ev->next;
    }
    if (xs->ev_tail == ev) {
        xs->ev_tail = prev;
    }
    xs->events--;
    return ev;
}

void xs_dispatch_events(struct os *os, void *ctx)
{
    struct xs *xs = ctx;
    struct xs_watch *w;
    struct xs_event *ev;

    while ((ev = take_event(xs, &w)) != NULL) {
        if (w != NULL) {
            w->running = true;
            w->fn(os, w->ctx, ev->payload);
            w->running = false;
            if (w->gone) {
                watch_free(xs, w);
            }
        }
        os_free(os, ev->payload);
        os_free(os, ev);
    }
}

static int watch_request(struct xs *xs, uint32_t type,
                         const struct xs_watch *w)
{
    size_t path_len = lib_strlen(w->path) + 1;
    size_t token_len = lib_strlen(w->token) + 1;
    char *buf = os_malloc(xs->os, path_len + token_len);
    int rc;

    if (buf == NULL) {
        return -XEN_ENOMEM;
    }
    memcpy(buf, w->path, path_len);
    memcpy(buf + path_len, w->token, token_len);
    rc = xs_request(xs, 0, type, buf, path_len + token_len, NULL, NULL);
    os_free(xs->os, buf);
    return rc;
}

static void unlink_watch(struct xs *xs, struct xs_watch *w)
{
    struct xs_watch **pp = &xs->watches;

    while (*pp != NULL && *pp != w) {
        pp = &(*pp)->next;
    }
    if (*pp != NULL) {
        *pp = w->next;
    }
}

int xs_watch(struct xs *xs, const char *path, xs_watch_fn *fn, void *ctx,
             struct xs_watch **out)
{
    struct xs_watch *w = os_malloc(xs->os, sizeof(*w));
    int rc;

    *out = NULL;
    if (w == NULL || (w->path = lib_strdup(xs->os, path)) == NULL) {
        os_free(xs->os, w);
        return -XEN_ENOMEM;
    }
    w->fn = fn;
    w->ctx = ctx;
    lib_format(w->token, sizeof(w->token), "%lx",
               (unsigned long)xs->next_token++);
    /* Known before the request: the first event may beat the reply. */
    w->next = xs->watches;
    xs->watches = w;
    *out = w;
    rc = watch_request(xs, XS_WATCH, w);
    if (rc != 0) {
        *out = NULL;
        unlink_watch(xs, w);
        if (w->running) {
            w->gone = true;
        } else {
            watch_free(xs, w);
        }
    }
    return rc;
}

void xs_unwatch(struct xs *xs, struct xs_watch *w)
{
    if (w == NULL) {
        return;
    }
    /* Off the list first: no call after this one began. */
    unlink_watch(xs, w);
    if (!xs->dead) {
        watch_request(xs, XS_UNWATCH, w);
    }
    if (w->running) {
        w->gone = true;
    } else {
        watch_free(xs, w);
    }
}

void xs_watches_drop(struct xs *xs)
{
    while (xs->watches != NULL) {
        struct xs_watch *w = xs->watches;

        xs->watches = w->next;
        watch_free(xs, w);
    }
    while (xs->ev_head != NULL) {
        struct xs_event *ev = xs->ev_head;

        xs->ev_head = ev->next;
        os_free(xs->os, ev->payload);
        os_free(xs->os, ev);
    }
}
