-- client:refresh_session: the bytes of the request, and the result. Faults, tries and
-- secrets have specs of their own.

local grid = require "grid"
local json = require "grid.json"
local rig = require "spec.support.rig"

local assert_error = rig.assert_error

describe("client:refresh_session", function()
  local server = rig.sandbox()
  local own = rig.refreshing(server)
  local refresh = own.refresh

  describe("gives a result", function()
    local res, saved

    before_each(function()
      server:set { tier = "2" }
      saved = rig.session(server)
      res = assert(refresh(saved))
    end)

    it("with the data and the metadata of the answer", function()
      local privy = res.data.kms_payload.session.Privy
      assert.equal("string", type(privy.refresh_token))
      assert.not_equal(json.decode(saved).session.Privy.refresh_token, privy.refresh_token)
      assert.equal("string", type(privy.session.encrypted_authorization_key.ciphertext))
      assert.equal("string", type(res.metadata.timestamp))
      assert.equal(res.request_id, res.metadata.request_id)
    end)

    it("with the exact bytes of the new kms_payload, which the next refresh takes", function()
      server:set { payload_check = "exact" }
      assert.same(res.data.kms_payload, json.decode(res.kms_payload_json))
      assert.is_truthy(refresh(res.kms_payload_json))
      assert.equal("exact", server:last().payload)
    end)

    it("with status, request id, idempotency key, tries, cookies and headers", function()
      assert.equal(200, res.status)
      assert.equal(res.headers["x-request-id"], res.request_id)
      assert.is_truthy(res.idempotency_key:find(rig.UUID))
      assert.equal(1, res.attempts)
      assert.same({}, res.cookies)
      assert.equal("application/json", res.headers["content-type"])
      for name in pairs(res.headers) do assert.equal(name:lower(), name) end
    end)

    it("with whole numbers as integers where Lua has them, and null as grid.null", function()
      local session = res.data.kms_payload.session.Privy.session
      assert.equal(grid.null, session.wallets[1].public_key)
      assert.is_true(session.expires_at > 1e12)
      if math.type then
        assert.equal("integer", math.type(session.expires_at))
        assert.equal("integer", math.type(session.wallets[1].created_at))
        assert.equal("integer", math.type(res.status))
        assert.equal("integer", math.type(res.attempts))
      end
    end)

    it("that prints without a secret", function()
      assert.equal("grid.result: status 200, request " .. res.request_id, tostring(res))
    end)

    it("that holds nothing but what is documented", function()
      local names = {}
      for name in pairs(res) do names[#names + 1] = name end
      table.sort(names)
      assert.same({ "attempts", "cookies", "data", "expires_at", "headers", "idempotency_key", "kms_payload_json", "metadata",
        "request_id", "status" }, names)
    end)

    it("with the raw answer, which no loop over its fields and no text shows", function()
      local body = ' {"data":{"kms_payload":{"session":{"Privy":{"token":"canary","session":{"expires_at":1}}}}}, "x": 1.50}\r\n'
      server:fault { kind = "body", body = body, execute = true }
      res = assert(refresh(saved))
      own.client:close()
      collectgarbage()
      assert.equal(body, res.body)
      assert.equal(body, res.body)
      assert.is_nil(rawget(res, "body"))
      for name, value in pairs(res) do
        assert.not_equal("body", name)
        assert.not_equal(body, value)
      end
      assert.is_nil(tostring(res):find("canary", 1, true))
      assert.is_nil(res.no_such_field)
    end)

    it("of any call, with the body that came, also where that is empty", function()
      for status, body in pairs { [200] = '{"data":{"status":"fine"}}', [201] = "[]", [204] = "" } do
        server:fault { kind = "body", status = status, body = body }
        assert.equal(body, assert(own.client:request("POST", "/anything", {})).body)
      end
      server:fault { kind = "body", body = '{"data":{}}' }
      assert.equal("", assert(own.client:request("HEAD", "/anything")).body)
    end)

    it("with the expiry of the authorization key in whole seconds, whatever unit the answer has", function()
      local milliseconds = res.data.kms_payload.session.Privy.session.expires_at
      assert.equal(math.floor(milliseconds / 1000), res.expires_at)
      server:fault { kind = "expires_in_seconds", execute = true }
      res = assert(refresh(res.kms_payload_json))
      assert.equal(res.data.kms_payload.session.Privy.session.expires_at, res.expires_at)
      assert.equal("string", type(os.date("!%c", res.expires_at)))
      if math.type then assert.equal("integer", math.type(res.expires_at)) end
    end)
  end)

  describe("takes an answer", function()
    local function answered(body)
      server:fault { kind = "body", body = body, execute = true }
      return refresh((rig.session(server)))
    end

    it("that is not wrapped in data", function()
      local payload = '{"session":{"Privy":{"token":"t","refresh_token":"r","session":{"expires_at":1}}}}'
      local res = assert(answered('{"kms_payload":' .. payload .. "}"))
      assert.equal(payload, res.kms_payload_json)
      assert.equal("t", res.data.kms_payload.session.Privy.token)
      assert.same({}, res.metadata)
    end)

    it("with blanks, escapes and members that it does not know, and keeps the payload's bytes", function()
      local payload = ' { "session" : {"Privy":\t{"token":"caf\\u00e9 \\/","refresh_token":"r",'
        .. '"session":{"expires_at":1e12}}} , "new" : [ 1.50, [ ], { }, null ] } '
      local res = assert(answered('{"data":{"kms\\u005fpayload":' .. payload .. '},"more":true}'))
      assert.equal(payload:match "^%s*(.-)%s*$", res.kms_payload_json)
      assert.equal("café /", res.data.kms_payload.session.Privy.token)
    end)

    it("whose members stand twice, and agrees with itself which of them counts", function()
      local res = assert(answered [[{"data":{"kms_payload":{"session":{"Privy":{"token":"one","session":{"expires_at":1}}}},
        "kms_payload":{"session":{"Privy":{"token":"two","refresh_token":"r","session":{"expires_at":2000000000000}}}}}}]])
      assert.equal(2000000000, res.expires_at)
      assert.same(res.data.kms_payload, json.decode(res.kms_payload_json))
    end)

    it("whose time is no number that a clock shows", function()
      for _, number in ipairs { "1e400", "-1", "1e300", "9223372036854775807", "0" } do
        local body = '{"kms_payload":{"session":{"Privy":{"token":"t","session":{"expires_at":' .. number .. "}}}}}"
        assert.equal("string", type(os.date("!%c", assert(answered(body)).expires_at)))
      end
    end)

    it("without anything but a token and the expiry of the key", function()
      assert(answered '{"kms_payload":{"session":{"Privy":{"token":"t","session":{"expires_at":1}}}}}')
      assert(answered [[{"kms_payload":{"provider":null,"session":{"Privy":{"token":"t","privy_access_token":null,
        "session":{"expires_at":1}}}}}]])
    end)

    it("but none whose session lacks what makes it one, or has it in another form: that stays in reach, and is named", function()
      local privy = {
        ["session.Privy.token"] = {
          "{}", '{"session":{"expires_at":1}}', '{"token":null,"session":{"expires_at":1}}',
          '{"token":7,"session":{"expires_at":1}}',
        },
        ["session.Privy.session"] = { '{"token":"t"}', '{"token":"t","session":null}', '{"token":"t","session":1}' },
        ["session.Privy.session.expires_at"] = {
          '{"token":"t","session":{}}', '{"token":"t","session":[]}', '{"token":"t","session":{"expires_at":null}}',
          '{"token":"t","session":{"expires_at":"2026-01-01"}}',
        },
        ["session.Privy.refresh_token"] = { '{"token":"t","refresh_token":7,"session":{"expires_at":1}}' },
        ["session.Privy.privy_access_token"] = { '{"token":"t","privy_access_token":{},"session":{"expires_at":1}}' },
      }
      for name, bodies in pairs(privy) do
        for _, body in ipairs(bodies) do
          body = ('{"data":{"kms_payload":{"session":{"Privy":%s}}}}'):format(body)
          local res, err = answered(body)
          assert.is_nil(res)
          assert_error(err, { kind = "protocol", code = "bad_answer", sent = "yes", body = body })
          assert.equal(("kms_payload.%s is missing or has the wrong type"):format(name), err.message)
        end
      end
    end)

    for _, protocol in ipairs { "http", "https" } do
      it("with nearly as many headers as it may have: " .. protocol, function()
        local other = rig.client(server, { base_url = server[protocol], timeout = 2 })
        server:fault { kind = "headers", headers = 550, header_bytes = 100, execute = true }
        local res, err = other:refresh_session(rig.request(server))
        other:close()
        assert.is_truthy(res, tostring(err))
        assert.equal(100, #res.headers["x-fault-550"])
      end)
    end

    it("whose request id stands in the body alone", function()
      local raw = rig.raw_server(function()
        local body = [[{"data":{"kms_payload":{"session":{"Privy":{"token":"t","session":{"expires_at":1}}}}},
          "metadata":{"request_id":"in-body"}}]]
        return ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
      end)
      local other = rig.client(server, { base_url = raw.url, host = raw.host })
      assert.equal("in-body", other:refresh_session({ encryption_public_key = rig.KEY }).request_id)
      other:close()
      raw.close()
    end)
  end)

  describe("sends", function()
    it("what the API asks for, and no more", function()
      assert(refresh((rig.session(server))))
      local last = server:last()
      assert.equal("POST", last.method)
      assert.equal("/auth/refresh-session", last.path)
      local headers = last.headers
      assert.equal("Bearer " .. server.api_key, headers.authorization)
      assert.equal("application/json", headers["content-type"])
      assert.equal("application/json", headers.accept)
      assert.equal("sandbox", headers["x-grid-environment"])
      assert.equal(tostring(#last.body), headers["content-length"])
      assert.equal("lua-grid/" .. grid._VERSION:match "^lua%-grid (%S+)$", headers["user-agent"])
      assert.is_truthy(headers["x-idempotency-key"]:find(rig.UUID))
      assert.is_nil(headers.expect)
      assert.is_nil(headers.cookie)
      assert.equal("identity", headers["accept-encoding"])
    end)

    it("the environment and the user agent that were asked for", function()
      local other = rig.client(server, { environment = "devnet", user_agent = "shop/1.0" })
      assert(other:refresh_session(rig.request(server)))
      assert.equal("devnet", server:last().headers["x-grid-environment"])
      assert.equal("shop/1.0", server:last().headers["user-agent"])
      other:close()
    end)

    it("a payload that is text byte for byte", function()
      server:set { unknown_fields = true }
      local text = "\n " .. rig.session(server):gsub("{", "{ ", 1) .. "\t"
      assert(refresh(text))
      assert.equal(('{"encryption_public_key":"%s","kms_payload":%s}'):format(rig.KEY, text), server:last().body)
    end)

    it("a payload that is a table so that no part of it is lost", function()
      server:set { unknown_fields = true }
      local payload = json.decode((rig.session(server)))
      assert.equal(0, #payload.x_future.list)
      assert.equal(grid.null, payload.x_future.none)
      assert.equal(9007199254740991, payload.x_future.number)
      assert(refresh(payload))
      assert.equal("equal", server:last().payload)
      assert(refresh(payload))
      assert.equal("equal", server:last().payload)
    end)

    it("the data of one result as the payload of the next call", function()
      server:set { unknown_fields = true, tier = "2" }
      local res = assert(refresh((rig.session(server))))
      assert(refresh(res.data.kms_payload))
      assert.equal("equal", server:last().payload)
    end)

    it("empty lists as lists and empty tables as tables", function()
      server:fault { kind = "status", status = 400 }
      refresh { list = grid.array(), table = {}, nothing = grid.null, items = grid.array { 1 }, plain = { 1, 2.5, "x" } }
      assert.is_truthy(server:last().body:find(
        '"kms_payload":{"items":[1],"list":[],"nothing":null,"plain":[1,2.5,"x"],"table":{}}}', 1, true))
    end)

    it("as an object what the program's own lua-cjson made of an empty list, for it cannot be told from one", function()
      server:fault { kind = "status", status = 400 }
      refresh(require("cjson").decode '{"list":[]}')
      assert.is_truthy(server:last().body:find('"kms_payload":{"list":{}}', 1, true))
    end)

    it("no payload at all in the cookie flow, be it nil or grid.null", function()
      server:fault { kind = "status", status = 400, count = 2 }
      refresh(nil)
      assert.equal('{"encryption_public_key":"' .. rig.KEY .. '"}', server:last().body)
      refresh(grid.null)
      assert.equal('{"encryption_public_key":"' .. rig.KEY .. '"}', server:last().body)
    end)

    it("the idempotency key of its caller, and tells it back", function()
      local res = assert(refresh((rig.session(server)), { idempotency_key = "My_key-1" }))
      assert.equal("My_key-1", res.idempotency_key)
      assert.equal("My_key-1", server:last().headers["x-idempotency-key"])
    end)

    it("a new idempotency key with each call", function()
      local one = assert(refresh((rig.session(server))))
      local two = assert(refresh((rig.session(server))))
      assert.not_equal(one.idempotency_key, two.idempotency_key)
    end)

    it("and leaves the tables of its caller as they were", function()
      local function read_only(fields)
        return setmetatable(fields, { __newindex = function() error "written to" end })
      end
      assert(own.client:refresh_session(read_only(rig.request(server)), read_only { timeout = 5 }))
    end)
  end)

  describe("in the cookie flow", function()
    local function session_cookie(res)
      return res.cookies[1]:match "^(grid_session=[^;]+)"
    end

    it("sends the cookie and gives the Set-Cookie values back, whole and each by itself", function()
      server:set { tier = "2" }
      local _, privy = rig.session(server)
      local first = assert(refresh(nil, { cookie = "grid_session=" .. privy.refresh_token }))
      assert.equal("grid_session=" .. privy.refresh_token, server:last().headers.cookie)
      assert.equal(2, #first.cookies)
      assert.is_truthy(first.cookies[1]:find("; Path=/; HttpOnly; Secure", 1, true))
      assert.is_nil(first.headers["set-cookie"])
      local second = assert(refresh(grid.null, { cookie = session_cookie(first) }))
      assert.not_equal(session_cookie(first), session_cookie(second))
      assert.equal("cookie", server:last().payload)
    end)

    it("says what the service says when neither payload nor cookie is given", function()
      local res, err = refresh(nil)
      assert.is_nil(res)
      assert_error(err, { kind = "api", status = 400, sent = "yes" })
    end)
  end)
end)
