-- What the worker under test does for each request: one call of either client, and what
-- both leave alone.

local cosocket = require "spec.bench.nginx.cosocket"
local grid = require "grid"

local locations = {}

local config = {
  key = os.getenv "BENCH_KEY", payload = os.getenv "BENCH_PAYLOAD",
  api_key = os.getenv "BENCH_API_KEY", port = os.getenv "BENCH_PORT",
}

local client = grid.new {
  base_url = "http://127.0.0.1:" .. config.port, api_key = config.api_key, environment = "sandbox", timeout = 60,
}
local request = { encryption_public_key = config.key, kms_payload = config.payload }

function locations.grid()
  local res = assert(client:refresh_session(request))
  ngx.print(res.data.kms_payload.session.Privy.session.expires_at)
end

function locations.cosocket()
  local status, _, body = cosocket.refresh(config)
  assert(status == 200)
  ngx.print(body.data.kms_payload.session.Privy.session.expires_at)
end

function locations.timers()
  ngx.print(ngx.timer.running_count() + ngx.timer.pending_count())
end

return locations
