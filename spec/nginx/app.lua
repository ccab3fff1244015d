-- What the locations of the specs run inside nginx: one client for the worker, one call,
-- and its result as JSON text. Owns nothing but that client. The sandbox and its
-- session come from the environment, see spec/nginx/scene.lua.

local cjson = require "cjson"
local grid = require "grid"

local app = {}

--- P-256 in SPKI DER: the base point; its private key is not needed here.
app.public_key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li"
  .. "/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="

local shared

--- A client of the sandbox. Without options always the same.
function app.client(options)
  if not options then
    shared = shared or app.client {}
    return shared
  end
  options.ca_file = options.ca_file or os.getenv "SCENE_CA"
  return grid.new(options)
end

function app.request()
  return { encryption_public_key = app.public_key, kms_payload = os.getenv "SCENE_PAYLOAD" }
end

--- The result of a call, in a form that specs compare.
function app.outcome(res, err)
  if res then return { ok = true, status = res.status, attempts = res.attempts, payload_bytes = #res.kms_payload_json } end
  return { kind = err.kind, code = err.code, sent = err.sent, status = err.status, message = err.message, attempts = err.attempts }
end

--- One refresh -> its outcome.
function app.refresh(options, client)
  return app.outcome((client or app.client()):refresh_session(app.request(), options))
end

function app.say(value)
  ngx.header.content_type = "application/json"
  ngx.print(cjson.encode(value))
end

-- A location that stops until the spec has seen something: the spec asks the location
-- that calls `go`.
local going = false

--- Returns when that location has gone on.
function app.go()
  going = true
  while going do ngx.sleep(0.01) end
end

--- Whether `go` was called, once for each call of it.
function app.may_go()
  local may = going
  going = false
  return may
end

function app.wait_for_go()
  while not app.may_go() do ngx.sleep(0.01) end
end

--- Blocks of the C core after a full collection; sockets and other files of this process.
function app.counters()
  collectgarbage()
  collectgarbage()
  local files = 0
  local pipe = io.popen("ls /proc/" .. ngx.worker.pid() .. "/fd")
  for _ in pipe:lines() do files = files + 1 end
  pipe:close()
  return {
    blocks = require("grid.core").live(),
    files = files - 1, -- without the pipe
    lua_kib = math.floor(collectgarbage "count"),
    running_timers = ngx.timer.running_count(),
    pending_timers = ngx.timer.pending_count(),
  }
end

return app
