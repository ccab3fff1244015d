-- The store in Redis inside nginx, over cosockets and their pool: the contract, histories
-- of many workers, and a keeper. Clients that fail: spec/store/redis_spec.lua.
-- Does not know: other stores.

local grid = require "grid"
local json = require "spec.sandbox.json"
local linear = require "spec.store.linear"
local load = require "spec.store.load"
local nginx = require "spec.support.nginx"
local oauth_server = require "spec.support.oauth_server"
local redis = require "spec.support.redis"

local WORKERS = 8

local INIT = [[
    init_by_lua_block {
        store = require("grid").store.redis {
            connect = function()
                local client = require("nginx.redis"):new() -- Debian's name of resty.redis
                client:set_timeout(5000)
                local ok, err = client:connect("127.0.0.1", tonumber(os.getenv "REDIS_PORT"))
                if ok and client:get_reused_times() == 0 then connections = (connections or 0) + 1 end
                return ok and client, err
            end,
            release = function(client) client:set_keepalive(60000, 100) end,
        }
        require("spec.nginx.keeper_app").new { store = store, recheck = 5 }
    }]]

local LOCATIONS = [[
    location = /check {
        content_by_lua_block {
            local ok, problem = require("grid.store.check")(function() return store end)
            ngx.print(ok and "true" or problem, " ", connections, " ", store:durability())
        }
    }
    location = /load {
        content_by_lua_block {
            local name = ngx.var.arg_name
            local errors, problem = require("spec.store.load").run(store, "@DIR@/history." .. name, name, 100)
            ngx.print(errors == 0 and "done" or tostring(problem))
        }
    }
    location = /get { content_by_lua_block { require("spec.nginx.keeper_app").get() } }
    location = /told {
        header_filter_by_lua_block {
            local app = require "spec.nginx.keeper_app"
            local told = app.outcome(app.keeper:get(ngx.var.arg_id))
            ngx.header.told = ("%s %s %s"):format(told.ok, told.code, told.cause)
        }
        return 200;
    }]]

describe("a store in Redis, inside nginx", function()
  local server, web, oauth

  setup(function()
    server, oauth = redis.start(), oauth_server.share { mode = "idempotent" }
    web = nginx.start {
      workers = WORKERS, listen = "reuseport", http = INIT, locations = LOCATIONS,
      env = {
        REDIS_PORT = tostring(server.port), KEEPER_TOKEN_URL = oauth.token_url, KEEPER_CLIENT_ID = oauth.client_id,
        KEEPER_CLIENT_SECRET = oauth.client_secret, KEEPER_REUSE = "idempotent", KEEPER_DIRECTORY = "/nowhere",
        KEEPER_TIMEOUT = "10",
      },
    }
  end)

  teardown(function()
    local _, log = web:stop()
    server:stop()
    oauth:stop()
    assert.equal("", nginx.alarms(log))
    assert.not_matches("%[error%]", log)
  end)

  before_each(function() server:client():flushall() end)

  it("keeps the contract of stores, over one connection of the pool", function()
    assert.equal("true 1 in the memory of Redis: a crash loses all changes since its last snapshot", (web:get "/check"))
  end)

  it("has no sockets in header_filter_by_lua, where a keeper tells that it cannot wait", function()
    assert.equal("nil cannot_wait not_connected", (web:get("/told?id=me", "-D -"):match "[Tt]old: ([^\r\n]+)"))
  end)

  it("is linearizable under the operations of many workers", function()
    local requests = {}
    for i = 1, WORKERS do requests[i] = web:begin(("/load?name=%d"):format(i)) end
    for _, request in ipairs(requests) do assert.equal("done", (request:finish())) end
    local operations = load.history(web.dir)
    assert.equal(WORKERS * 100, #operations)
    assert.same({ true }, { linear.check_all(operations) })
  end)

  it("lets a keeper refresh once for readers in all workers, and another machine read the result", function()
    local client = server:client()
    local keeper = grid.keeper {
      exchange = grid.exchange.oauth2 {
        token_url = oauth.token_url, client_id = oauth.client_id, client_secret = oauth.client_secret, reuse = "idempotent",
        idempotency_header = "Idempotency-Key",
      },
      store = grid.store.redis { connect = function() return client end },
    }
    local tokens = oauth:family()
    tokens = { access_token = tokens.access_token, refresh_token = tokens.refresh_token, expires_in = 0.001 }
    assert(keeper:add("me", tokens))
    local before, requests, token = oauth:counts(), {}, nil
    for i = 1, 32 do requests[i] = web:begin("/get?timeout=30&id=me", "--max-time 40") end
    for i = 1, 32 do
      local answer = json.decode((requests[i]:finish()))
      assert.is_true(answer.ok, answer.message)
      token = token or answer.token
      assert.equal(token, answer.token)
    end
    local after = oauth:counts()
    assert.same({ 1, 0 }, { after.executions - before.executions, after.replays - before.replays })
    local session = assert(keeper:get "me")
    assert.same({ 2, token }, { session.generation, session.access_token })
    assert.equal("in the memory of Redis: a crash loses all changes since its last snapshot", keeper:status("me").durability)
    keeper:close()
  end)
end)
