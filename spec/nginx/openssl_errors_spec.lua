-- libcurl and the keys share OpenSSL's error queue with the TLS of nginx, which reports
-- errors that it finds there as an alert. Each answer here is sent over TLS, so that
-- nginx reads the queue after each call.

local certificate = require "spec.support.certificate"
local rig = require "spec.support.rig"
local scenes = require "spec.nginx.scene"

local LOCATIONS = ([[
    location = /call {
        content_by_lua_block {
            @APP@
            local client = app.client {
                retries = 0, timeout = 0.5, base_url = ngx.var.arg_base_url, ca_file = ngx.var.arg_ca_file,
                http_version = ngx.var.arg_version, proxy = ngx.var.arg_proxy,
            }
            app.say(app.refresh(nil, client))
            client:close()
        }
    }
    location = /closed {
        content_by_lua_block {
            @APP@
            local client = app.client { retries = 0, base_url = ngx.var.arg_base_url }
            local call = ngx.thread.spawn(app.refresh, nil, client)
            ngx.sleep(0.1)
            client:close()
            local _, outcome = ngx.thread.wait(call)
            app.say(outcome)
        }
    }
    location = /keys {
        content_by_lua_block {
            @APP@
            local grid = require "grid"
            local keys = grid.keypair()
            local signed = assert(grid.authorization_key(keys:export())):sign(ngx.encode_base64 "{}")
            local opened, err = keys:open {
                encapsulated_key = ngx.encode_base64("\4" .. ("\1"):rep(64)), -- a point, and not of the curve
                ciphertext = ngx.encode_base64(("\1"):rep(64)),
            }
            app.say { signed = signed ~= nil, opened = opened ~= nil, code = err and err.code }
        }
    }
    location = /unrelated { return 200 fine; }
]]):gsub("@APP@", 'local app = require "spec.nginx.app"')

local STALE = "stale global SSL error"

describe("OpenSSL's queue of errors is empty for nginx after", function()
  local scene, certificates, silent_port, close_silent

  setup(function()
    certificates = certificate.folder()
    silent_port, close_silent = rig.silent_port()
    scene = scenes.start {
      locations = LOCATIONS,
      server = ([[
        listen "unix:@DIR@/tls.sock" ssl;
        ssl_certificate "CERTS/cert.pem";
        ssl_certificate_key "CERTS/key.pem";]]):gsub("CERTS", certificates.path),
    }
  end)

  teardown(function()
    close_silent()
    local problem = scene:stop()
    certificates:remove()
    assert.is_nil(problem)
  end)

  local function ask(path)
    local options = "--unix-socket '" .. scene.nginx.dir .. "/tls.sock'"
    local outcome = scene:ask("https://localhost" .. path, options)
    assert.equal("fine", (scene.nginx:get("https://localhost/unrelated", options)))
    return outcome
  end

  local logged -- bytes, before the test

  before_each(function() logged = #scene.nginx:log() end)

  local function assert_quiet() assert.is_nil(scene.nginx:log():find(STALE, logged + 1, true)) end

  for _, row in ipairs {
    { "a certificate that is not trusted", "@SANDBOX@&ca_file=/etc/ssl/certs/ca-certificates.crt", "tls" },
    { "a CA file that is missing", "@SANDBOX@&ca_file=/no/such/file.pem", "tls" },
    { "a CA file that is none", "@SANDBOX@&ca_file=README.md", "tls" },
    { "a server that speaks no TLS", "@PLAIN@", "tls" },
    { "a proxy that speaks no TLS", "@SANDBOX@&proxy=@PLAIN@", "tls" },
    { "a timeout in the handshake", "@SILENT@", "timeout" },
    { "a refused connection", "https://127.0.0.1:9", "network" },
  } do
    for _, version in ipairs { "2", "1.1" } do
      it(("%s, HTTP/%s"):format(row[1], version), function()
        local address = row[2]:gsub("@(%u[%u_]+)@", {
          SANDBOX = scene.sandbox.https,
          PLAIN = scene.sandbox.http:gsub("^http:", "https:"),
          SILENT = "https://127.0.0.1:" .. silent_port,
        })
        local outcome = ask(("/call?version=%s&base_url=%s"):format(version, address))
        assert.equal(row[3], outcome.kind, outcome.message)
        assert.equal("no", outcome.sent)
        assert_quiet()
      end)
    end
  end

  it("a client that is closed in the handshake", function()
    local outcome = ask("/closed?base_url=https://127.0.0.1:" .. silent_port)
    assert.equal("cancelled", outcome.kind, outcome.message)
    assert_quiet()
  end)

  for _, fault in ipairs { { kind = "drop" }, { kind = "drop", reset = true }, { kind = "truncate" } } do
    it(("an answer that breaks off: %s%s"):format(fault.kind, fault.reset and " with a reset" or ""), function()
      scene.sandbox:fault(fault)
      local outcome = ask("/call?base_url=" .. scene.sandbox.https)
      assert.equal("network", outcome.kind, outcome.message)
      assert_quiet()
    end)
  end

  it("a success", function()
    assert.is_true(ask("/call?base_url=" .. scene.sandbox.https).ok)
    assert_quiet()
  end)

  it("a key that is used, and one that is refused", function()
    assert.same({ signed = true, opened = false, code = "bad_point" }, (ask "/keys"))
    assert_quiet()
  end)
end)
