-- nginx as the service: it ends an HTTP/2 connection after keepalive_requests (1,000 by
-- default), and refuses the streams that follow. Its access log shows the executed
-- requests.

local certificate = require "spec.support.certificate"
local core = require "grid.core"
local files = require "spec.support.files"
local grid = require "grid"
local nginx = require "spec.support.nginx"
local rig = require "spec.support.rig"

local major, minor = core.libcurl():match "^(%d+)%.(%d+)"
local tells_goaway = major * 100 + minor >= 788

local PAYLOAD = '{"provider":"privy","session":{"Privy":{"user_id":"u","token":"t","privy_access_token":"p","refresh_token":"r",'
  .. '"session":{"expires_at":99999999999,"wallets":[]%s}}}}'

local SERVER = [[
    server {
        listen 127.0.0.2:@PORT@ ssl http2;
        ssl_certificate "@CERTIFICATES@/cert.pem";
        ssl_certificate_key "@CERTIFICATES@/key.pem";
        keepalive_requests @REQUESTS@;
        access_log "@DIR@/access.log";
        location / {
            content_by_lua_block {
                ngx.req.read_body()
                ngx.header.content_type = "application/json"
                ngx.say [=[{"data":{"kms_payload":@ANSWER@}}]=]
            }
        }
    }
]]

describe("an nginx that ends HTTP/2 connections", function()
  if rig.no_http2 then return pending(rig.no_http2) end
  local certificates, server

  setup(function()
    certificates = certificate.folder()
  end)
  teardown(function() certificates:remove() end)
  after_each(function()
    if server then server:stop() end
    server = nil
  end)

  -- So many calls, 64 at once. -> how many had an answer
  local function refresh(count, requests_per_connection, options)
    local values = { CERTIFICATES = certificates.path, REQUESTS = requests_per_connection,
      ANSWER = PAYLOAD:format ',"authorization_key":"k"' }
    server = nginx.start { http = SERVER:gsub("@(%u+)@", values) }
    options.api_key, options.base_url, options.insecure_skip_tls_verify = "key", "https://127.0.0.2:" .. server.port, true
    local client, list, answered = grid.new(options), {}, 0
    for i = 1, count do list[i] = { encryption_public_key = rig.KEY, kms_payload = PAYLOAD:format "" } end
    for _, result in ipairs(client:refresh_sessions(list, { concurrency = 64 })) do
      if result[1] then
        answered = answered + 1
      else
        rig.assert_error(result[2], { kind = "network", code = "stream_refused", sent = "no", retryable = true })
      end
    end
    client:close()
    return answered
  end

  local function executed()
    server:signal "QUIT" -- the last lines are written then
    server:wait()
    return select(2, files.read(server.dir .. "/access.log"):gsub("POST [^\n]* 200 ", ""))
  end

  it("after 1,000 requests has executed what was answered, and nothing else", function()
    local answered = refresh(2500, 1000, { retries = 0, timeout = 60 })
    assert.equal(answered, executed())
    assert.is_true(answered > 2000)
  end)

  it("after 1,000 requests costs no call", function()
    assert.equal(2500, refresh(2500, 1000, { retries = 2, timeout = 60 }))
    assert.equal(2500, executed())
  end)

  it("after 10 requests has executed what was answered, and nothing else", function()
    if not tells_goaway then return pending "libcurl before 7.88 does not tell the last stream of a GOAWAY" end
    assert.equal(refresh(640, 10, { retries = 2, timeout = 60 }), executed())
  end)
end)
