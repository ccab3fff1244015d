-- TLS: which certificates are trusted, which connections are refused, and what a proxy
-- can see.

local child = require "spec.support.child"
local core = require "grid.core"
local rig = require "spec.support.rig"

local assert_error = rig.assert_error

describe("TLS", function()
  local server = rig.sandbox()

  local function refresh(given)
    local options = { base_url = server.https }
    for name, value in pairs(given or {}) do options[name] = value end
    local client = rig.client(server, options)
    local res, err = client:refresh_session(rig.request(server))
    client:close()
    return res, err
  end

  it("trusts the authorities of ca_file", function()
    assert(refresh())
  end)

  it("trusts no stranger: kind tls, and nothing was sent", function()
    local res, err = refresh { ca_file = rig.ABSENT }
    assert.is_nil(res)
    assert_error(err, { kind = "tls", code = "certificate_refused", sent = "no", retryable = true })
    assert.matches("; check the clock, and that ca_file has the authority of the server$", err.message)
    assert.is_nil(err.status)
    assert.equal(0, server:stats().requests)
  end)

  it("goes unverified only when that is asked for in so many words", function()
    assert(refresh { ca_file = rig.ABSENT, insecure_skip_tls_verify = true })
    local res, err = refresh { ca_file = rig.ABSENT, insecure_skip_tls_verify = false }
    assert.is_nil(res)
    assert_error(err, { kind = "tls" })
  end)

  it("wants the name that was asked for in the certificate", function()
    local port = server.https:match "%d+$"
    assert(refresh { base_url = "https://127.0.0.1:" .. port })
    local _, err = refresh { base_url = "https://127.0.0.2:" .. port }
    assert_error(err, { sent = "no" })
  end)

  it("says that a CA file is missing, or is none", function()
    for _, file in ipairs { "/no/such/file.pem", "spec/tls_spec.lua" } do
      local res, err = refresh { ca_file = file }
      assert.is_nil(res)
      assert_error(err, { kind = "tls", sent = "no" })
    end
  end)

  it("speaks HTTP/2 where it can, and HTTP/1.1 when asked to", function()
    assert(refresh())
    assert.equal(rig.no_http2 and 1.1 or 2, server:last().http_version)
    assert(refresh { http_version = "1.1" })
    assert.equal(1.1, server:last().http_version)
    assert(refresh { base_url = server.http })
    assert.equal(1.1, server:last().http_version)
  end)

  -- A server of the openssl command that speaks these versions alone, on a port that the
  -- kernel chooses. -> address, function that ends it
  local function openssl_server(versions)
    local command = "echo $$; exec openssl s_server -accept 127.0.0.1:0 -cert '%s/server.pem' -key '%s/server.key' "
      .. "%s -cipher ALL:@SECLEVEL=0 -www 2>&1"
    local pipe = assert(io.popen(command:format(server.dir, server.dir, versions)))
    local pid = pipe:read "*l"
    local said = ""
    for line in pipe:lines() do
      said = said .. line .. "\n"
      local port = line:match "^ACCEPT .*:(%d+)"
      if port then
        return "https://127.0.0.1:" .. port, function()
          os.execute("kill " .. pid)
          pipe:close()
        end
      end
    end
    pipe:close()
    error("openssl s_server did not start:\n" .. said)
  end

  it("is not spoken with a server that knows no more than TLS 1.1", function()
    local url, stop = openssl_server "-tls1_1"
    local res, err = refresh { base_url = url }
    stop()
    assert.is_nil(res)
    assert_error(err, { kind = "tls", sent = "no" })
  end)

  it("is spoken with a server that knows TLS 1.2 alone", function()
    local url, stop = openssl_server "-tls1_2"
    local _, err = refresh { base_url = url, timeout = 0.5 }
    stop()
    assert_error(err, { kind = "timeout", sent = "unknown" }) -- the request went out; that server answers no POST
  end)

  it("does not listen to a proxy that never ends its refusal", function()
    local proxy = rig.raw_server("HTTP/1.1 407 No\r\nContent-Length: 100000000\r\n\r\n" .. ("x"):rep(200000))
    local start = core.now()
    local _, err = refresh { proxy = proxy.url, host = proxy.host, timeout = 60 }
    proxy.close()
    assert_error(err, { kind = "network", code = "proxy_failed", sent = "no", message = "the proxy refused with status 407" })
    assert.is_true(core.now() - start < 40)
  end)

  it("goes through a proxy without showing it more than the name of the server", function()
    local proxy = rig.raw_server "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    local res, err = refresh { proxy = proxy.url, host = proxy.host }
    proxy.close()
    assert.is_nil(res)
    assert.equal(1, #proxy.requests)
    assert.is_truthy(proxy.requests[1]:find("^CONNECT localhost:%d+ HTTP/1"))
    for _, secret in ipairs { "Authorization", "Bearer", server.api_key, "kms_payload", "idempotency" } do
      assert.is_nil(proxy.requests[1]:find(secret, 1, true))
    end
    assert_error(err, { kind = "network", code = "proxy_failed", sent = "no" })
  end)

  it("spares no host the proxy that was given", function()
    local output = rig.run(([[
      local client = require("grid").new {
        base_url = %q, api_key = "k", ca_file = %q, retries = 0, proxy = "http://127.0.0.1:1",
      }
      local _, err = client:request("GET", "/x")
      print(err.kind, err.sent)
      client:close()]]):format(server.https, server.ca), { no_proxy = "localhost", NO_PROXY = "localhost" })
    assert.equal("network\tno\n", output)
  end)

  -- Debian's libcurl knows a folder of authorities besides. One that holds the sandbox's
  -- is put in its place, for one program.
  local IN_PLACE = [[
    mkdir "$1/certs" && cp "$2" "$1/certs/$(openssl x509 -in "$2" -noout -hash).0" && mount --bind "$1/certs" /etc/ssl/certs &&
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=Other \
      -keyout "$1/key" -out "$1/other.pem" 2>&- &&
    curl -s --cacert "$1/other.pem" -o "$1/answer" "$3" && echo curl trusts it
    shift 3
    exec "$@"
  ]]

  it("trusts only the authorities of ca_file", function()
    if not child.can_mount() then return pending "no place of its own for a program here" end
    local folder = child.folder()
    folder:write("in_place", IN_PLACE)
    local output = rig.run(([[
      local client = require("grid").new { base_url = %q, api_key = "k", ca_file = %q, retries = 0 }
      local _, err = client:request("GET", "/x")
      print(err.kind, err.code)
      client:close()]]):format(server.https, folder.path .. "/other.pem"), nil,
      ("unshare -m sh %s/in_place %s %s %s "):format(folder.path, folder.path, server.ca, server.https))
    folder:remove()
    assert.equal("curl trusts it\ntls\tcertificate_refused\n", output)
  end)

  it("takes no proxy from the environment for what goes out in the clear", function()
    local output, fine = rig.run(([[
      local client = require("grid").new { base_url = %q, api_key = %q, retries = 0 }
      local res, err = client:request("GET", "/x")
      print(err.status)
      client:close()]]):format(server.http, server.api_key),
      { http_proxy = "http://127.0.0.1:1", ALL_PROXY = "http://127.0.0.1:1" })
    assert.equal("404\n", output)
    assert.is_true(fine)
  end)

  it("takes the proxy of the environment for the rest, unless told not to", function()
    local program = [[
      local client = require("grid").new { base_url = %q, api_key = "k", ca_file = %q, retries = 0, proxy = %s }
      local res, err = client:request("GET", "/x")
      print(err.kind, err.sent, err.status)
      client:close()]]
    local environment = { https_proxy = "http://127.0.0.1:1", no_proxy = false, NO_PROXY = false }
    assert.equal("network\tno\tnil\n", (rig.run(program:format(server.https, server.ca, "nil"), environment)))
    assert.equal("api\tyes\t404\n", (rig.run(program:format(server.https, server.ca, "''"), environment)))
  end)
end)
