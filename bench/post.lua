-- Posts a form. Arguments: the form, and the origin; a * in it stands for a number that never comes twice.
local form, origin, thread, count

function setup(each)
  thread = (thread or 0) + 1
  each:set("id", thread)
end

function init(args)
  form, origin, count = args[1], args[2], 0
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
  wrk.headers["Origin"] = origin
  if not origin:find("*", 1, true) then
    prepared = wrk.format("POST", nil, nil, form)
  end
  stamp = os.time()
end

function request()
  if prepared then return prepared end
  count = count + 1
  wrk.headers["Origin"] = origin:gsub("%*", "n" .. stamp .. "-" .. id .. "-" .. count)
  return wrk.format("POST", nil, nil, form)
end

function done(summary, latency)
  io.write(string.format('{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write
      + summary.errors.timeout))
end
