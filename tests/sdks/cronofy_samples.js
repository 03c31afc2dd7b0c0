// The official Node SDK against the service, with nothing changed but its base URL.
//
// Reads {base, client_id, client_secret, full_calendar} as JSON from stdin and prints what the SDK returned,
// by sample, as JSON. The assertions are in test_node.py.
"use strict";

const { randomUUID } = require("node:crypto");
const { readFileSync } = require("node:fs");
const { createServer } = require("node:http");
const Cronofy = require("cronofy");

const { base, client_id, client_secret, full_calendar } = JSON.parse(readFileSync(0, "utf8"));

const MEETING = {
  event_id: "qTtZdczOccgaPncGJaCiLg",
  summary: "Board meeting",
  description: "Discuss plans for the next quarter.",
  start: "2024-06-25T15:30:00Z",
  end: "2024-06-25T17:00:00Z",
  location: { description: "Board room" },
};
const TWO_DAYS = ["2024-06-25", "2024-06-26"].map((day) => ({
  start: `${day}T09:00:00Z`,
  end: `${day}T18:00:00Z`,
}));

const WORK_HOURS = {
  availability_rule_id: "work_hours",
  tzid: "Europe/London",
  weekly_periods: [{ day: "tuesday", start_time: "10:00", end_time: "12:00" }],
};

function newClient(config = { client_id, client_secret }) {
  const client = new Cronofy({ ...config });
  client.urls.api = base;
  return client;
}

async function newCalendar() {
  const client = newClient();
  const created = await client.applicationCalendar({ application_calendar_id: `node-${randomUUID()}` });
  const calendars = (await client.listCalendars()).calendars;
  return { client, created, sub: created.sub, calendar_id: calendars[0].calendar_id };
}

async function write(calendar, changes = {}) {
  return calendar.client.createEvent({ ...MEETING, ...changes, calendar_id: calendar.calendar_id });
}

async function newReceiver() {
  const waiting = [];
  const server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      response.end();
      const hmac = request.headers["cronofy-hmac-sha256"];
      waiting.shift()({ hmac, body: Buffer.concat(chunks).toString() });
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: server.address().port,
    next: () => new Promise((resolve) => waiting.push(resolve)),
    close: () => server.close(),
  };
}

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return { message: error.message, statusCode: error.statusCode, error: error.error };
  }
  throw new Error("the call was expected to be refused");
}

const samples = {
  async application_calendar() {
    const client = newClient();
    const options = { application_calendar_id: "my-unique-string" };
    const created = await client.applicationCalendar(options);
    return { created, again: await newClient().applicationCalendar(options), kept: client.config };
  },

  async application_calendar_with_a_callback() {
    const client = newClient();
    const options = { application_calendar_id: "my-unique-string" };
    return new Promise((resolve, reject) => {
      client.applicationCalendar(options, (error, created) => (error ? reject(error) : resolve(created)));
    });
  },

  async list_calendars() {
    const { created, calendar_id } = await newCalendar();
    const response = await newClient({ access_token: created.access_token }).listCalendars();
    return { response, calendar_id };
  },

  async create_event() {
    const calendar = await newCalendar();
    const answer = await write(calendar);
    const unasked = await calendar.client.readEvents({ tzid: "Etc/UTC" });
    const asked = await calendar.client.readEvents({ tzid: "Etc/UTC", include_managed: true });
    return { meeting: MEETING, calendar_id: calendar.calendar_id, answer, unasked, asked };
  },

  async delete_event() {
    const calendar = await newCalendar();
    await write(calendar);
    const { client, calendar_id } = calendar;
    const answer = await client.deleteEvent({ calendar_id, event_id: MEETING.event_id });
    const left = await client.readEvents({ tzid: "Etc/UTC", include_managed: true });
    const deleted = await client.readEvents({ tzid: "Etc/UTC", include_managed: true, include_deleted: true });
    return { answer, left, deleted };
  },

  async read_events_by_pages() {
    const client = newClient();
    await client.applicationCalendar({ application_calendar_id: full_calendar });
    const pages = [];
    const event_ids = [];
    const query = { tzid: "Europe/Paris", localized_times: true, include_managed: true };
    for (let page = await client.readEvents(query); ; ) {
      pages.push(page.pages);
      event_ids.push(...page.events.map((event) => event.event_id));
      if (!page.pages.next_page) {
        return { pages, event_ids, last: page.events.at(-1) };
      }
      page = await client.readEvents({ next_page: page.pages.next_page });
    }
  },

  async read_events_of_some_calendars() {
    const calendar = await newCalendar();
    await write(calendar);
    const query = { tzid: "Etc/UTC", from: "2024-06-01", to: "2024-07-01", include_managed: true };
    const mine = await calendar.client.readEvents({ ...query, calendar_ids: [calendar.calendar_id] });
    const others = await calendar.client.readEvents({ ...query, calendar_ids: ["cal_a", "cal_b"] });
    return { mine: mine.events.length, others: others.events.length };
  },

  async free_busy() {
    const calendar = await newCalendar();
    await write(calendar);
    const query = { tzid: "Etc/UTC", from: "2024-06-25", to: "2024-06-26", include_managed: true };
    return { calendar_id: calendar.calendar_id, response: await calendar.client.freeBusy(query) };
  },

  async availability() {
    const [one, other] = await Promise.all([newCalendar(), newCalendar()]);
    await Promise.all([
      write(one),
      write(other, { start: "2024-06-26T09:00:00Z", end: "2024-06-26T12:00:00Z" }),
    ]);
    const query = {
      participants: [{ members: [{ sub: one.sub }, { sub: other.sub }], required: "all" }],
      required_duration: { minutes: 60 },
    };
    const { client } = one;
    return {
      subs: [one.sub, other.sub],
      available_periods: await client.availability({ ...query, available_periods: TWO_DAYS }),
      query_periods: await client.availability({ ...query, query_periods: TWO_DAYS }),
      slots: await client.availability({
        ...query,
        query_periods: TWO_DAYS.slice(1),
        response_format: "slots",
        start_interval: { minutes: 60 },
        max_results: 3,
      }),
    };
  },

  async element_token() {
    const { client, sub } = await newCalendar();
    const options = { permissions: ["agenda"], subs: [sub], origin: "http://localhost" };
    return { sub, response: await client.requestElementToken(options) };
  },

  async real_time_scheduling() {
    const { client, sub, calendar_id } = await newCalendar();
    return client.realTimeScheduling({
      oauth: { redirect_uri: "https://jobs.example.com/back" },
      event: { event_id: "interview-1", summary: "Interview" },
      availability: {
        participants: [{ members: [{ sub }], required: "all" }],
        required_duration: { minutes: 60 },
        query_periods: TWO_DAYS,
      },
      target_calendars: [{ sub, calendar_id }],
      tzid: "Europe/London",
    });
  },

  async refresh() {
    const { created, calendar_id } = await newCalendar();
    const client = newClient({ client_id, client_secret, refresh_token: created.refresh_token });
    const token = await client.refreshAccessToken();
    const { calendars } = await client.listCalendars();
    return { created, token, calendar_id, found: calendars[0].calendar_id };
  },

  async user_info() {
    const { client, created } = await newCalendar();
    return { created, response: await client.userInfo() };
  },

  async notification_channel() {
    const { client, calendar_id } = await newCalendar();
    const receiver = await newReceiver();
    const callback_url = `http://127.0.0.1:${receiver.port}/`;
    const verified = receiver.next();
    const { channel } = await client.createNotificationChannel({ callback_url });
    const notifications = [await verified];
    const changed = receiver.next();
    await client.createEvent({ ...MEETING, calendar_id });
    notifications.push(await changed);
    receiver.close();
    const listed = await client.listNotificationChannels();
    await client.deleteNotificationChannel({ channel_id: channel.channel_id });
    return {
      channel,
      callback_url,
      listed,
      left: await client.listNotificationChannels(),
      bodies: notifications.map(({ body }) => JSON.parse(body)),
      valid: notifications.map(({ hmac, body }) => client.hmacValid({ hmac, body, client_secret })),
    };
  },

  async faults() {
    const { client, calendar_id } = await newCalendar();
    return refusal(client.createEvent({ calendar_id, start: MEETING.start, end: MEETING.start }));
  },

  async unknown_access_token() {
    return refusal(newClient({ access_token: "nobody's" }).listCalendars());
  },

  async wrong_client_secret() {
    const client = newClient({ client_id, client_secret: "wrong" });
    return refusal(client.applicationCalendar({ application_calendar_id: "any" }));
  },

  async wrong_refresh_token() {
    return refusal(newClient({ client_id, client_secret, refresh_token: "none" }).refreshAccessToken());
  },

  async unknown_calendar() {
    const { client } = await newCalendar();
    return refusal(client.createEvent({ ...MEETING, calendar_id: "cal_of_somebody_else" }));
  },

  async identity() {
    const { client, sub, calendar_id } = await newCalendar();
    return {
      sub,
      calendar_id,
      account: await client.accountInformation(),
      profiles: await client.profileInformation(),
      calendars: await client.listCalendars(),
    };
  },

  async revocations() {
    const ways = {
      by_access_token: ({ created }) => ({ token: created.access_token }),
      by_refresh_token: ({ created }) => ({ token: created.refresh_token }),
      by_sub: ({ sub }) => ({ sub }),
      by_nothing: () => ({}),
    };
    const revoked = Object.entries(ways).map(async ([way, options]) => {
      const calendar = await newCalendar();
      const answer = await newClient({
        client_id,
        client_secret,
        refresh_token: calendar.created.refresh_token,
      }).revokeAuthorization(options(calendar));
      const { created } = calendar;
      const refresh = newClient({ client_id, client_secret, refresh_token: created.refresh_token });
      return [
        way,
        {
          answer,
          read: await refusal(calendar.client.listCalendars()),
          refresh: await refusal(refresh.refreshAccessToken()),
        },
      ];
    });
    return Object.fromEntries(await Promise.all(revoked));
  },

  async revocation_of_another() {
    const [own, other] = await Promise.all([newCalendar(), newCalendar()]);
    await own.client.revokeAuthorization({ sub: other.sub });
    // Whatever it revokes, the SDK forgets its own tokens.
    const still = newClient({ access_token: own.created.access_token });
    return { own: await still.listCalendars(), other: await refusal(other.client.listCalendars()) };
  },

  async upsert_after_revocation() {
    const { client, created, sub } = await newCalendar();
    const { application_calendar_id } = created;
    await client.revokeAuthorization({ sub });
    return { sub, again: await newClient().applicationCalendar({ application_calendar_id }) };
  },

  async availability_rules() {
    const { client } = await newCalendar();
    const written = await client.upsertAvailabilityRule({ ...WORK_HOURS, calendar_ids: null });
    const read = await client.readAvailabilityRule({ availability_rule_id: "work_hours" });
    const listed = await client.listAvailabilityRules();
    const deleted = await client.deleteAvailabilityRule({ availability_rule_id: "work_hours" });
    const absent = await refusal(client.readAvailabilityRule({ availability_rule_id: "work_hours" }));
    return { rule: WORK_HOURS, written, read, listed, deleted, absent };
  },

  async available_periods() {
    const { client } = await newCalendar();
    const period = { available_period_id: "morning", ...TWO_DAYS[0] };
    const written = await client.upsertAvailablePeriod({ ...period, tzid: "Europe/Paris" });
    const listed = await client.listAvailablePeriods({ from: "2024-06-25", to: "2024-06-26", tzid: "Etc/UTC" });
    const localized = await client.listAvailablePeriods({ localized_times: true });
    const outside = await client.listAvailablePeriods({ from: "2024-06-26" });
    const deleted = await client.deleteAvailablePeriods({ available_period_id: "morning" });
    const left = await client.listAvailablePeriods();
    const all = await client.deleteAvailablePeriods({ delete_all: true });
    return { period, written, listed, localized, outside, deleted, left, all };
  },

  async managed_availability() {
    const { client, sub } = await newCalendar();
    await client.upsertAvailabilityRule({ ...WORK_HOURS });
    await client.upsertAvailablePeriod({
      available_period_id: "evening",
      start: "2024-06-25T15:00:00Z",
      end: "2024-06-25T16:00:00Z",
    });
    const query = {
      participants: [{ members: [{ sub, managed_availability: true }], required: "all" }],
      required_duration: { minutes: 60 },
      query_periods: TWO_DAYS,
    };
    return {
      by_access_token: await client.availability({ ...query }),
      by_api_key: await newClient({ access_token: client_secret }).availability({ ...query }),
    };
  },

  async sequenced_availability() {
    const [one, other] = await Promise.all([newCalendar(), newCalendar()]);
    const step = ({ sub }, ordinal) => ({
      sequence_id: `step-${ordinal}`,
      ordinal,
      participants: [{ members: [{ sub }], required: "all" }],
      required_duration: { minutes: 60 },
    });
    const response = await one.client.sequencedAvailability({
      sequence: [step(one, 1), step(other, 2)],
      query_periods: [{ start: "2024-06-25T09:00:00Z", end: "2024-06-25T11:00:00Z" }],
    });
    return { response, subs: [one.sub, other.sub] };
  },

  async events_by_uid() {
    const calendar = await newCalendar();
    const { client, calendar_id } = calendar;
    await write(calendar);
    const query = { tzid: "Etc/UTC", include_managed: true };
    const [{ event_uid }] = (await client.readEvents(query)).events;
    const { start, end } = MEETING;
    await client.updateExternalEvent({ calendar_id, event_uid, summary: "Renamed", start, end });
    const edited = await client.readEvents(query);
    await client.deleteExternalEvent({ calendar_id, event_uid });
    return { edited, left: await client.readEvents(query) };
  },

  async bulk_delete() {
    const calendar = await newCalendar();
    const { client, calendar_id } = calendar;
    const left = [];
    for (const which of [{ delete_all: true }, { calendar_ids: [calendar_id] }]) {
      await write(calendar);
      await client.bulkDeleteEvents(which);
      left.push((await client.readEvents({ tzid: "Etc/UTC", include_managed: true })).events.length);
    }
    return { left, refused: await refusal(client.bulkDeleteEvents({})) };
  },

  async batch() {
    const { client, calendar_id } = await newCalendar();
    const relative_url = `/v1/calendars/${calendar_id}/events`;
    const entry = (method, data) => ({ method, relative_url, data });
    const response = await client.batch({
      batch: [
        entry("POST", MEETING),
        entry("POST", { ...MEETING, event_id: "faulty", end: MEETING.start }),
        entry("DELETE", { event_id: MEETING.event_id }),
      ],
    });
    return { response, left: await client.readEvents({ tzid: "Etc/UTC", include_managed: true }) };
  },
};

async function main() {
  const names = Object.keys(samples);
  const results = await Promise.all(names.map((name) => samples[name]()));
  const returned = Object.fromEntries(names.map((name, index) => [name, results[index]]));
  process.stdout.write(JSON.stringify({ returned }));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
