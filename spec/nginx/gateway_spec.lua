-- The example gateway of spec/examples/gateway, with the sandbox as Grid and a program as
-- its upstream.

local files = require "spec.support.files"
local json = require "spec.sandbox.json"
local nginx = require "spec.support.nginx"
local sandbox = require "spec.support.sandbox"

local FOLDER = "spec/examples/gateway"

-- A request with the header X-Late takes the lock up to 0.6 s after it has seen the
-- expired session.
local LATE = [[
    init_worker_by_lua_block {
      local sessions = ngx.shared.grid_sessions
      local safe_add = sessions.safe_add
      sessions.safe_add = function(...)
        if ngx.get_phase() == "access" and ngx.var.http_x_late then ngx.sleep(math.random() * 0.6) end
        return safe_add(...)
      end
    }

    init_by_lua_block {]]

-- What a user changes, and what only a test needs. Each line must be there once.
local function adapted(program_port)
  local text = files.read(FOLDER .. "/nginx.conf")
  local function change(from, to)
    local first, last = text:find(from, 1, true)
    assert(first and not text:find(from, last, true), "the gateway's nginx.conf should have once: " .. from)
    text = text:sub(1, first - 1) .. to .. text:sub(last + 1)
  end
  change("load_module /usr/lib/nginx/modules/ndk_http_module.so;", "@LOAD@ @USER@ daemon off;")
  change("load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;", "")
  change("worker_processes auto;", "worker_processes 2;")
  change("logs/error.log warn;", '"@DIR@/error.log" notice;')
  change("logs/nginx.pid;", '"@DIR@/nginx.pid";')
  change('"/etc/grid-gateway/?.lua;;";', ([[
    "@ROOT@/FOLDER/?.lua;@ROOT@/lua/?.lua;@ROOT@/lua/?/init.lua;;@LUA_PATH@";
    lua_package_cpath "@BUILD@/?.so;;@LUA_CPATH@";
    access_log off; client_body_temp_path "@DIR@/body"; proxy_temp_path "@DIR@/proxy"; fastcgi_temp_path "@DIR@/fastcgi";
    uwsgi_temp_path "@DIR@/uwsgi"; scgi_temp_path "@DIR@/scgi"; lua_check_client_abort on;]]):gsub("FOLDER", FOLDER))
  change("    init_by_lua_block {", LATE)
  change("127.0.0.1:9000;", "127.0.0.1:" .. program_port .. ";")
  change("listen 8080;", "listen 127.0.0.1:@PORT@;")
  return text
end

local PROGRAM = [[
  location / {
    content_by_lua_block {
      ngx.print(ngx.var.http_x_grid_address or "-", " ", ngx.var.http_x_grid_key_expires or "-")
    }
  }
  location = /cookies { content_by_lua_block { ngx.print(ngx.var.http_cookie or "-") } }]]

describe("the example gateway", function()
  local grid_side, program, gateway, cookie

  local function start(change)
    local conf = adapted(program.port)
    return nginx.start {
      conf = change and change(conf) or conf,
      env = { GRID_API_KEY = grid_side.api_key, GRID_BASE_URL = grid_side.https, GRID_ENVIRONMENT = "sandbox",
        GRID_CA_FILE = grid_side.ca },
    }
  end

  setup(function()
    grid_side = sandbox.share { api_key = "canary-api-key" }
    program = nginx.start { locations = PROGRAM }
    gateway = start()
  end)

  teardown(function()
    local code, log = gateway:stop()
    program:stop()
    grid_side:stop()
    assert.equal(0, code)
    assert.equal("", nginx.alarms(log))
    assert.falsy(log:find("canary", 1, true))
  end)

  -- Posts a JSON object. -> the answer, the cookie that was set
  local function post(path, value, with)
    local options = ("-D '%s/headers' -d '%s' %s"):format(gateway.dir, json.encode(value), with and "-b " .. with or "")
    local body, status = gateway:get(path, options)
    return json.decode(body), status, files.read(gateway.dir .. "/headers"):match "[Ss]et%-[Cc]ookie: ([^;]+)"
  end

  -- A cookie of a user who has logged in, with a session of these lifetimes.
  local function log_in(settings)
    grid_side:reset()
    grid_side:set(settings)
    local _, status, login = post("/login", { email = "ann@example.com" })
    assert.equal(200, status)
    local code = grid_side:control("GET", "/otp?email=ann@example.com").otp_code
    local value, verified, session = post("/login/verify", { otp_code = code }, login)
    assert.equal(200, verified)
    grid_side:set { key_lifetime = 900 }
    grid_side:control("DELETE", "/stats")
    return session, value.address
  end

  local function with_cookie(options) return "-b " .. cookie .. " " .. (options or "") end

  local function visit(options) return gateway:get("/", with_cookie(options)) end

  local function visit_at_once(count, options)
    local requests, statuses = {}, {}
    for i = 1, count do requests[i] = gateway:begin("/", with_cookie(options)) end
    for _, request in ipairs(requests) do
      local _, status = request:finish()
      statuses[status] = (statuses[status] or 0) + 1
    end
    return statuses
  end

  -- Runs `work` on a gateway whose nginx.conf was changed.
  local function on_another(change, work)
    local usual = gateway
    gateway = start(change)
    local ok, problem = pcall(work)
    gateway:stop()
    gateway = usual
    assert.is_true(ok, problem)
  end

  local function executions() return grid_side:stats().executions end

  it("lets no request pass without a session", function()
    assert.equal(401, (select(2, gateway:get "/")))
    assert.equal(401, (select(2, gateway:get("/", "-b __Host-grid_session=made-up"))))
  end)

  it("passes on a refusal of Grid, and answers 503 to an invalid answer of Grid", function()
    for status, expected in pairs { [400] = 400, [403] = 403, [410] = 410, [302] = 503, [429] = 503, [500] = 503, [200] = 503 } do
      grid_side:reset()
      grid_side:fault { kind = "html", status = status, count = 0 }
      assert.equal(expected, (select(2, post("/login", { email = "ann@example.com" }))))
    end
    grid_side:reset()
  end)

  it("says what a log-in lacks", function()
    local body, refused = gateway:get("/login", "-d '{\"email\":\"\255\"}'") -- no UTF-8
    assert.same({ 400, '{"error":"bad_value"}' }, { refused, body })
    assert.equal(400, (select(2, post("/login", {}))))
    assert.equal(405, (select(2, gateway:get "/login")))
    assert.equal(401, (select(2, post("/login/verify", { otp_code = "123456" }))))
  end)

  it("passes on who has logged in, and tells the program who it is, whatever the caller claims", function()
    local address
    cookie, address = log_in { key_lifetime = 900 }
    local body, status = visit "-H 'X-Grid-Address: another-address'"
    assert.equal(200, status)
    assert.equal(address, body:match "^%S+")
    assert.is_true(tonumber(body:match "(%d+)$") > os.time() + 600)
    assert.equal(0, executions())
  end)

  it("takes no cookie for its own that another host of the domain can set, and passes none of its own on", function()
    cookie = log_in { key_lifetime = 900 }
    local name, value = cookie:match "^([^=]+)=(.+)"
    for _, forged in ipairs { name:upper() .. "=", "a=1," .. name .. "=", name .. " =" } do
      assert.equal(401, (select(2, gateway:get("/", ("-H 'Cookie: %s'"):format(forged .. value)))), forged)
    end
    assert.matches("^__Host%-", name)
    assert.equal("-", (gateway:get("/cookies", with_cookie())))
    assert.equal("a=1; b=2", (gateway:get("/cookies", ("-H 'Cookie: a=1; %s; b=2; __Host-grid_login=x'"):format(cookie))))
    assert.equal(200, (select(2, gateway:get("/", ("-H 'Cookie: a=1;%s'"):format(cookie)))))
  end)

  it("renews a session that is about to expire once, while all callers pass at once", function()
    cookie = log_in { key_lifetime = 30, tier = "2" }
    grid_side:fault { kind = "delay", hold = true }
    assert.equal(200, (select(2, visit())))
    grid_side:wait_held(1)
    assert.same({ [200] = 8 }, visit_at_once(8))
    assert.equal(1, grid_side:stats().held)
    grid_side:release()
    assert.is_true(nginx.wait_for(10, function()
      local expires_at = tonumber(visit():match "(%d+)$")
      return expires_at ~= nil and expires_at > os.time() + 600
    end))
    assert.equal(1, executions())
  end)

  it("lets callers wait while an expired session is renewed, once", function()
    cookie = log_in { key_lifetime = 0.01, tier = "2" }
    grid_side:fault { kind = "delay", answer_delay = 0.3 }
    assert.same({ [200] = 20 }, visit_at_once(20))
    assert.equal(1, executions())
    assert.equal(0, grid_side:stats().reuses)
  end)

  it("renews a session once, even if a request takes the lock after another one has renewed it", function()
    cookie = log_in { key_lifetime = 0.01, tier = "2" }
    assert.same({ [200] = 20 }, visit_at_once(20, "-H 'X-Late: 1'"))
    assert.equal(1, executions())
  end)

  it("stores the new tokens even if the caller has gone when they come", function()
    cookie = log_in { key_lifetime = 0.01, tier = "2" }
    grid_side:fault { kind = "delay", answer_delay = 0.5 }
    local _, status = visit "--max-time 0.2"
    assert.equal(0, status)
    assert.equal(200, (select(2, visit())))
    assert.equal(1, executions())
  end)

  it("serves what is still good while Grid is away, and asks for patience after that", function()
    cookie = log_in { key_lifetime = 30 }
    grid_side:fault { kind = "drop", count = 0 }
    assert.same({ [200] = 5 }, visit_at_once(5))
    cookie = log_in { key_lifetime = 0.01 }
    grid_side:fault { kind = "drop", count = 0 }
    assert.equal(503, (select(2, visit())))
    grid_side:control("DELETE", "/faults")
    assert.equal(200, (select(2, visit())))
  end)

  it("repeats a call of unknown outcome as the same call, and so keeps a session whose answer was lost", function()
    cookie = log_in { key_lifetime = 0.01, tier = "2", mode = "idempotent" }
    grid_side:fault { kind = "drop", execute = true }
    assert.equal(200, (select(2, visit())))
    local stats = grid_side:stats()
    assert.same({ 1, 1, 0 }, { stats.executions, stats.replays, stats.reuses })
  end)

  it("repeats a call whose answer broke off, did not end in time or made no sense, as the same call as well", function()
    for _, fault in ipairs {
      { kind = "truncate", execute = true }, { kind = "slow", bytes = 100, interval = 2, execute = true },
      { kind = "trailing", execute = true }, { kind = "status", status = 502, execute = true },
      { kind = "redirect", execute = true },
    } do
      cookie = log_in { key_lifetime = 0.01, tier = "2", mode = "idempotent" }
      grid_side:fault(fault)
      assert.is_true(nginx.wait_for(10, function() return select(2, visit()) == 200 end))
      local stats = grid_side:stats()
      assert.same({ 1, 1, 0 }, { stats.executions, stats.replays, stats.reuses }, fault.kind)
    end
  end)

  it("does not take an answer for a session that has no expiry, and goes on with the old one", function()
    cookie = log_in { key_lifetime = 0.01, tier = "1" }
    grid_side:fault { kind = "body", body = '{"data":{"kms_payload":{"session":{"Privy":{"token":"t","session":{}}}}}}' }
    assert.equal(200, (select(2, visit())))
    assert.equal(2, grid_side:stats().requests)
  end)

  it("keeps the refresh token when an answer leaves it out, for the renewal that spends it", function()
    cookie = log_in { key_lifetime = 30, tier = "1" }
    grid_side:set { key_lifetime = 30 } -- so that the next visit renews it once more
    local token = grid_side:control("GET", "/sessions")[1].refresh_token
    grid_side:fault { kind = "no_refresh_token", execute = true }
    assert.equal(200, (select(2, visit())))
    assert.is_true(nginx.wait_for(10, function() return executions() == 1 end))
    grid_side:set { key_lifetime = 900, tier = "2" }
    assert.is_true(nginx.wait_for(10, function()
      local body, status = visit()
      assert.equal(200, status)
      return tonumber(body:match "(%d+)$") > os.time() + 600
    end))
    assert.is_true(grid_side:executions("refresh_token", token) >= 2)
    assert.equal(0, grid_side:stats().reuses)
  end)

  it("asks for a log-in when Grid refuses the session", function()
    cookie = log_in { key_lifetime = 0.01 }
    grid_side:fault { kind = "status", status = 401, count = 0 }
    assert.equal(401, (select(2, visit())))
    assert.equal(401, (select(2, visit())))
    assert.equal(1, grid_side:stats().requests)
  end)

  it("forgets a session at the log-out, and no refresh under way brings it back", function()
    cookie = log_in { key_lifetime = 30, tier = "2" }
    grid_side:fault { kind = "delay", hold = true }
    assert.equal(200, (select(2, visit())))
    grid_side:wait_held(1)
    assert.equal(405, (select(2, gateway:get("/logout", with_cookie()))))
    assert.equal(200, (select(2, visit())))
    local _, status, gone = post("/logout", {}, cookie)
    assert.same({ 200, "__Host-grid_session=" }, { status, gone })
    grid_side:release()
    assert.is_true(nginx.wait_for(10, function() return executions() == 1 end))
    os.execute "sleep 0.2"
    assert.equal(401, (select(2, visit())))
  end)

  it("forgets the sessions of a browser that logs in again, and each one some time after its log-in", function()
    local function change(text)
      return (text:gsub("location / {", [[location = /kept {
        content_by_lua_block {
          local sessions, lines = ngx.shared.grid_sessions, {}
          for i, key in ipairs(sessions:get_keys(0)) do
            lines[i] = ("%%s %%d; "):format(key:match "^%%a+", math.ceil(sessions:ttl(key) / 86400)) -- days
          end
          table.sort(lines)
          ngx.print(lines)
        }
      }
      %0]]))
    end
    on_another(change, function()
      cookie = log_in { key_lifetime = 30, tier = "2" }
      assert.equal(200, (select(2, visit()))) -- and refreshes it
      assert.is_true(nginx.wait_for(10, function() return executions() == 1 end))
      local login = select(3, post("/login", { email = "ann@example.com" }))
      local code = grid_side:control("GET", "/otp?email=ann@example.com").otp_code
      assert.is_true(nginx.wait_for(10, function() return gateway:get "/kept" == "login 1; session 30; " end), gateway:get "/kept")
      local _, status = post("/login/verify", { otp_code = code }, "'" .. login .. "; " .. cookie .. "'")
      assert.equal(200, status)
      assert.equal("session 30; ", (gateway:get "/kept"))
    end)
  end)

  -- A dictionary that is soon full, and a location after which no log-in is kept longer.
  local function small(text)
    return (text:gsub("grid_sessions 32m", "grid_sessions 128k"):gsub("location / {", [[location = /expire {
        content_by_lua_block {
          local sessions = ngx.shared.grid_sessions
          for _, key in ipairs(sessions:get_keys(0)) do
            if key:find "^login:" then sessions:expire(key, 0.001) end
          end
          ngx.sleep(0.01)
        }
      }
      %0]]))
  end

  local function fill()
    local status, count = 200, 0
    while status == 200 and count < 1000 do
      status = select(2, post("/login", { email = "ann@example.com" }))
      count = count + 1
    end
    assert.equal(503, status)
  end

  it("forgets no session while log-ins fill its dictionary", function()
    on_another(small, function()
      local idle = log_in { key_lifetime = 900 }
      cookie = log_in { key_lifetime = 30, tier = "2", mode = "idempotent" }
      fill()
      grid_side:fault { kind = "drop", execute = true } -- what its repetition needs makes the record longer
      assert.equal(200, (select(2, visit())))
      assert.is_true(nginx.wait_for(10, function()
        local body, now = visit()
        assert.equal(200, now)
        return tonumber(body:match "(%d+)$") > os.time() + 600
      end))
      cookie = idle
      assert.equal(200, (select(2, visit())))
    end)
  end)

  it("takes log-ins again when those that have filled its dictionary have expired", function()
    on_another(small, function()
      cookie = log_in { key_lifetime = 900 }
      fill()
      gateway:get "/expire"
      assert.equal(200, (select(2, post("/login", { email = "ann@example.com" }))))
      assert.equal(200, (select(2, visit())))
    end)
  end)

  it("logs no user out, and begins no log-in, for a page of another site", function()
    cookie = log_in { key_lifetime = 900 }
    for path, body in pairs { ["/logout"] = "{}", ["/login"] = '{"email":"eve@example.com"}' } do
      local options = ("-D '%s/headers' -d '%s' -H 'Sec-Fetch-Site: cross-site'"):format(gateway.dir, body)
      assert.equal(403, (select(2, gateway:get(path, options))))
      assert.falsy(files.read(gateway.dir .. "/headers"):lower():find "set%-cookie")
    end
    assert.falsy((select(3, post("/logout", {})))) -- the cookie does not come with the request of an old browser
    assert.equal(200, (select(2, visit())))
    assert.equal(200, (select(2, gateway:get("/logout", with_cookie "-d {} -H 'Sec-Fetch-Site: same-origin'"))))
  end)
end)
