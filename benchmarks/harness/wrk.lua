-- POST one body again and again, or GET addresses of a file in turns; at the end one line of JSON.
local path, body, names = os.getenv("BENCH_PATH"), os.getenv("BENCH_BODY"), os.getenv("BENCH_IDS")
local requests, at = {}, 0

function init()
  if names then
    for id in io.lines(names) do requests[#requests + 1] = wrk.format("GET", path .. id) end
  else
    local file = io.open(body)
    requests[1] = wrk.format("POST", path, { ["Content-Type"] = "application/json" }, file:read("*a"))
    file:close()
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format('{"requests": %d, "seconds": %f, "bad": %d, "p50": %f, "p99": %f}\n',
    summary.requests, summary.duration / 1e6, bad, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
