-- Runs `grid keep` in processes of their own, in a folder with its configuration, against
-- the authorization server of the sandbox.
-- Owns: the server, until `stop`. The folder that `begin` returns belongs to the caller.

local child = require "spec.support.child"
local harness = require "spec.command.harness"
local json = require "spec.sandbox.json"
local oauth_server = require "spec.support.oauth_server"
local redis = require "spec.support.redis"

local keep_harness = {}
local Keep = { __name = "spec.command.keep_harness" }
Keep.__index = Keep

function keep_harness.start()
  return setmetatable({ server = oauth_server.share() }, Keep)
end

function Keep:stop()
  self.server:stop()
end

--- A server as new, and a folder with a configuration. -> the folder
function Keep:begin()
  self.server:reset()
  self.folder = child.folder()
  self.folder:write("secret", self.server.client_secret .. "\n")
  self:configure()
  return self.folder
end

--- Writes keeper.json, with `more` in its section oauth2 and `top` beside it.
function Keep:configure(more, top)
  local config = {
    directory = "sessions",
    oauth2 = { token_url = self.server.token_url, client_id = self.server.client_id, client_secret_file = "secret" },
  }
  for name, value in pairs(more or {}) do config.oauth2[name] = value end
  for name, value in pairs(top or {}) do config[name] = value or nil end
  self.folder:write("keeper.json", (json.encode(config)))
end

local PRELUDE = [[
  grid() { %s "$@"; }
  keep() { verb=$1; shift; grid keep "$verb" --config keeper.json "$@"; }
  executed() { curl -sf "%s/_control/oauth/stats?executions=$1" >/dev/null || exit 9; }
  held() { curl -sf "%s/_control/stats?held=$1" >/dev/null || exit 9; }
  release() { curl -s -X POST %s/_control/release >/dev/null; }
]]

--- Runs a script. `KEEP … &` starts the program itself, so that $! is its process.
--- -> exit code, output, errors
function Keep:shell(script)
  local http = self.server.http
  local text = PRELUDE:format(harness.GRID, http, http, http)
  local body = script:gsub("KEEP", harness.IN_BACKGROUND .. " keep")
  local code, out, err = self.folder:run(text .. body, {
    GRID_API_KEY = "", http_proxy = "", LUA_INIT = redis.prelude, -- which finds redis-lua
  })
  return code, out, err
end

--- Adds a session that ends in so many seconds. -> its tokens
function Keep:add(name, seconds)
  local tokens = self.server:family()
  self.folder:write("tokens", (json.encode {
    access_token = tokens.access_token, refresh_token = tokens.refresh_token, expires_in = seconds or 3600, token_type = "Bearer",
  }))
  local code, _, err = self:shell(("keep add %s <tokens && rm tokens"):format(name))
  assert(code == 0 and err == "", err)
  return tokens
end

return keep_harness
