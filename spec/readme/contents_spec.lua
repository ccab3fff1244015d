-- README.md and doc name each option, method, kind of error, field, file and link of the
-- code, and no other.

local child = require "spec.support.child"
local grid = require "grid"
local harness = require "spec.command.harness"
local http_options = require "grid.http.options"
local keeper_module = require "grid.keeper"
local oauth2 = require "grid.exchange.oauth2"
local options = require "grid.api.options"
local pages = require "spec.support.pages"

local README, HTTP, KEEPER = pages.read "README.md", pages.read "doc/http.md", pages.read "doc/keeper.md"
local COMMAND = pages.read "doc/command.md"
local REFERENCE = README .. HTTP .. KEEPER

-- The part of a page below that heading, up to the next one of its level.
local function section(heading, page)
  page = page or README
  local level = heading:match "^#+"
  local first = assert(page:find("\n" .. heading .. "\n", 1, true), heading)
  local text = page:sub(first + #heading + 2)
  return text:match("^(.-)\n" .. level .. " ") or text
end

-- The names that the rows of the section's tables begin with.
local function row_names(text)
  local names = {}
  for cell in text:gmatch "\n| (`[^|]*) |" do
    for name in cell:gmatch "`([^`]+)`" do names[name] = true end
  end
  return names
end

local function keys_of(table)
  local keys = {}
  for key in pairs(table) do keys[key] = true end
  return keys
end

-- Names of the fields of a class, as its annotation declares them.
local function fields_of(path, class)
  local text = pages.read(path)
  local fields, block = {}, text:match("%-%-%-@class [^\n]*" .. class:gsub("%.", "%%.") .. "%f[^%w_][^\n]*\n(.-)\n[^-]")
  for name in block:gmatch "@field ([%w_]+)" do fields[name] = true end
  return fields
end

local function methods_of(object)
  local methods = {}
  for name, value in pairs(getmetatable(object).__index) do
    if type(value) == "function" and not name:find "^__" then methods[name] = true end
  end
  return methods
end

describe("the documentation", function()
  it("names every option of a client and of a call, with its default, and no other", function()
    local text = section "## Options"
    assert.same(keys_of(options.both), row_names(text))
    for name, option in pairs(options.client) do
      local row = text:match("\n(| `" .. name .. "` |[^\n]*)")
      if option.default ~= nil then
        local default = (type(option.default) == "string" and '`"%s"`' or "`%s`"):format(tostring(option.default))
        assert.is_truthy(row:find(default, 1, true), name)
      end
    end
  end)

  it("names every option of grid.http and of its calls", function()
    local text = section("## Methods", HTTP)
    for name in pairs(http_options.transport) do assert.is_table(options.client[name], name) end
    for name in pairs(options.client) do
      if not http_options.transport[name] then assert.is_truthy(text:find("`" .. name .. "`", 1, true), name) end
    end
    for name in pairs(http_options.call) do assert.is_truthy(text:find("`" .. name .. "`", 1, true), name) end
  end)

  it("names every option of a keeper and of its exchange, and no other, and the fields of a status", function()
    assert.same(keys_of(keeper_module.options), row_names(section("### grid.keeper", KEEPER)))
    assert.same(keys_of(oauth2.options), row_names(section("### grid.exchange.oauth2", KEEPER)))
    for name in pairs(fields_of("lua/grid/keeper/status.lua", "grid.KeeperStatus")) do
      assert.is_truthy(section("### keeper:status, keeper:list, keeper:metrics", KEEPER):find("`" .. name .. "`", 1, true), name)
    end
    for _, name in ipairs(require("grid.keeper.events").NAMES) do
      assert.is_truthy(section("### grid.keeper", KEEPER):find("`" .. name .. "`", 1, true), name)
    end
  end)

  it("has an entry for every method and function, and for no other", function()
    local expected = {}
    for name, value in pairs(grid) do
      if type(value) == "function" or name == "null" then expected["grid." .. name] = true end
    end
    local keys = assert(grid.keypair())
    for name in pairs(methods_of(keys)) do expected["keys:" .. name] = true end
    keys:close()
    for _, name in ipairs { "keys.public_key", "auth:sign", "grid.http.new", "http:send", "http:close" } do
      expected[name] = true
    end
    for room, names in pairs { exchange = grid.exchange, store = grid.store } do
      for name in pairs(names) do expected[("grid.%s.%s"):format(room, name)] = true end
    end
    local keeper = grid.keeper { exchange = { request = print, read = print }, store = grid.store.memory() }
    local inside = { env = true, new_http = true, on_landed = true } -- for the modules of the keeper
    for name in pairs(methods_of(keeper)) do
      if not inside[name] then expected["keeper:" .. name] = true end
    end
    keeper:close()
    local client = grid.new()
    for name in pairs(methods_of(client)) do expected["client:" .. name] = true end
    client:close()
    local entries = {}
    for heading in REFERENCE:gmatch "\n### ([^\n]+)" do
      for name in heading:gmatch "[%l%d.:_]+" do
        if name:find "[.:]" then entries[name] = true end
      end
    end
    assert.same(expected, entries)
  end)

  it("gives each entry the same form: syntax, returns, phases, errors", function()
    for heading, text in REFERENCE:gmatch "### ([%l.:_]+[^\n]*)\n(%- %*%*syntax.-)\n\n" do
      for _, part in ipairs { "syntax", "returns", "phases", "errors" } do
        if heading ~= "grid.refresh_session" then -- as of client:refresh_session
          assert.is_truthy(text:find("**" .. part .. "**", 1, true), heading .. ": " .. part)
        end
      end
    end
  end)

  it("has one row for every kind of error, and for no other", function()
    local kinds = {}
    local declared = pages.read("lua/grid/errors.lua"):match "@field kind ([^\n]+)"
    for kind in declared:gmatch '"([%l_]+)"' do kinds[kind] = true end
    local tables = section "## Errors"
    assert.same(kinds, row_names(tables:match "(\n| `kind` | when.-)\n\n" :gsub("\n| `kind` |[^\n]*", "")))
    assert.same(fields_of("lua/grid/errors.lua", "grid.Error"), row_names(tables:match "\n| field | |(.*)"))
  end)

  it("has one row for every metric of a keeper and for every event that is counted, and for no other", function()
    local keeper = grid.keeper { exchange = { request = print, read = print }, store = grid.store.memory() }
    local names = {}
    for name in keeper:metrics():gmatch "# HELP (%S+)" do names[name] = true end
    for event in keeper:metrics():gmatch '{event="([%l]+)"}' do names[event] = true end
    keeper:close()
    assert.same(names, row_names((section("### Metrics", KEEPER):gsub("\n| `event` |[^\n]*", ""))))
  end)

  it("names every field of a result and of an event, and no other", function()
    assert.same(fields_of("lua/grid/api/response.lua", "grid.Result"), row_names(section "## Results"))
    assert.same(fields_of("lua/grid/http/event.lua", "grid.Event"), row_names(section("## Events", HTTP)))
  end)

  -- The rows of the table of commands, and of `grid keep` its verbs.
  local function command_rows()
    local rows = {}
    for names, listed in section("## Commands", COMMAND):gmatch "\n| (`[^|]*) | ([^|]*) |" do
      for name in names:gmatch "`([%l-]+ ?[%l]*)[^`]*`" do
        rows[name:gsub(" $", "")] = row_names("\n| " .. listed .. " |")
      end
    end
    return rows
  end

  local function options_of(declared)
    local names = {}
    for name in pairs(declared.options) do names["--" .. name] = true end
    return names
  end

  it("names every command, with its options, and every exit code", function()
    local rows, expected = command_rows(), {}
    local overview = child.capture("cd " .. child.path "" .. " && " .. harness.GRID .. " --help")
    for name in overview:match "\n\n(.-)\n\n":gmatch "  ([%l-]+) +%l[^\n]*" do
      local declared = require("grid.cli.command." .. name:gsub("-", "_"))
      if not declared.verbs then expected[name] = options_of(declared) end
      for verb, of_verb in pairs(declared.verbs or {}) do expected[name .. " " .. verb] = options_of(of_verb) end
    end
    assert.same(expected, rows)
    for name in child.capture("cd " .. child.path "" .. " && " .. harness.GRID .. " login --help"):gmatch "\n  (%-%-[%l-]+)" do
      assert.is_truthy(COMMAND:find("`" .. name .. "`", 1, true), name)
    end
    for code, meaning in overview:gmatch "\n  (%d+) +(%l+)" do
      assert.is_truthy(COMMAND:find(("\n| %s | %s"):format(code, meaning), 1, true), code)
    end
  end)

  it("names every member of the object of a command that failed", function()
    local names = pages.read("lua/grid/cli/output.lua"):match "SHOWN = (%b{})"
    for name in (names .. '"error" "rescued_to"'):gmatch '"([%l_]+)"' do
      assert.is_truthy(section("## Commands", COMMAND):find("`" .. name .. "`", 1, true), name)
    end
  end)

  it("names only files and headings that exist", function()
    for _, page in ipairs(pages.documents()) do
      pages.check_links(page.text, page.path:match "^(.*/)" or "")
      for path in page.text:gmatch "`([%w_]+/[%w_/.-]+%.[%l]+)`" do
        if path:find "^src/" or path:find "^lua/grid/" or path:find "^spec/" or path:find "^doc/" then
          assert.is_true(pcall(pages.read, path), page.path .. ": " .. path)
        end
      end
    end
  end)

  it("has blocks of Lua, of shell, and of text only", function()
    for _, page in ipairs(pages.documents()) do
      for _, block in ipairs(page.blocks) do
        assert.is_truthy(({ lua = true, sh = true, text = true })[block.language], ("%s, line %d"):format(page.path, block.line))
      end
    end
  end)

  it("keeps the README a reference that can be read in one go: 450 lines", function()
    local _, lines = README:gsub("\n", "")
    assert.is_true(lines <= 450)
  end)
end)
