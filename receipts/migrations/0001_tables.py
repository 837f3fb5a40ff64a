import uuid
from decimal import Decimal

import django.contrib.postgres.constraints
import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import accounts.models.payers
import receipts.models.files
import receipts.models.orders
import receipts.models.tax


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_tables'),
        ('accounts', '__first__'),
        ('pricing', '0001_tables'),
    ]

    operations = [
        migrations.CreateModel(
            name='BilledUntil',
            fields=[
                ('project', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='billed_until', serialize=False, to='accounts.project', verbose_name='project')),
                ('month', models.DateField(verbose_name='month')),
            ],
            options={
                'verbose_name': 'project billed in full',
                'verbose_name_plural': 'projects billed in full',
                'ordering': ('project',),
            },
        ),
        migrations.CreateModel(
            name='PurchaseOrder',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='purchase_orders', to='accounts.project', verbose_name='project')),
                ('number', models.CharField(max_length=64, verbose_name='number')),
                ('ceiling', models.DecimalField(decimal_places=4, help_text='Tax included.', max_digits=18, verbose_name='ceiling')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('starts_on', models.DateField(verbose_name='from')),
                ('expires_on', models.DateField(help_text='Receipts may still be issued on this day.', verbose_name='last day')),
                ('created_by', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='created by')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
            ],
            options={
                'verbose_name': 'purchase order',
                'verbose_name_plural': 'purchase orders',
                'ordering': ('project', '-starts_on'),
                'constraints': [models.UniqueConstraint(fields=('project', 'number'), name='purchase_order_number_once'), models.CheckConstraint(condition=models.Q(('expires_on__gte', models.F('starts_on'))), name='purchase_order_ends_after_start', violation_error_message="It can't end before it begins."), models.CheckConstraint(condition=models.Q(('ceiling__gt', 0), ('ceiling__lt', 100000000000000), ('currency__regex', '^[A-Z]{3}$')), name='purchase_order_ceiling', violation_error_message='The ceiling is an amount above zero, its currency three capital letters.'), django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(accounts.models.payers.Same('project'), '&&'), (receipts.models.orders.Days(), '&&')], name='purchase_order_no_overlap', violation_error_message='The project has another purchase order at that time: let that one end first.')],
            },
        ),
        migrations.CreateModel(
            name='BillingRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('period', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='runs', to='accounts.period', verbose_name='period')),
                ('closed_at', models.DateTimeField(editable=False, verbose_name='period closed')),
                ('status', models.CharField(choices=[('drafting', 'Making drafts'), ('drafted', 'Drafts are made')], default='drafting', max_length=8, verbose_name='status')),
                ('started_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='started by')),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='started')),
                ('ended_at', models.DateTimeField(editable=False, null=True, verbose_name='drafts made')),
            ],
            options={
                'verbose_name': 'monthly run',
                'verbose_name_plural': 'monthly runs',
                'ordering': ('-period', '-pk'),
                'constraints': [models.UniqueConstraint(fields=('period', 'closed_at'), name='run_once'), models.CheckConstraint(condition=models.Q(models.Q(('ended_at', None), ('status', 'drafting')), models.Q(('ended_at__isnull', False), ('status', 'drafted')), _connector='OR'), name='run_steps')],
            },
        ),
        migrations.CreateModel(
            name='Contact',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='contacts', to='accounts.project', verbose_name='project')),
                ('name', models.CharField(blank=True, max_length=200, verbose_name='name')),
                ('email', models.EmailField(max_length=254, verbose_name='e-mail')),
                ('language', models.CharField(choices=[('en', 'English'), ('th', 'ไทย')], default='th', max_length=5, verbose_name='language')),
                ('gets_documents', models.BooleanField(default=True, help_text='Receipts, credit notes and thanks.', verbose_name='gets documents')),
                ('gets_reminders', models.BooleanField(default=True, help_text='Before and after a due date, and where the bank took a payment back.', verbose_name='gets reminders')),
            ],
            options={
                'verbose_name': 'contact',
                'verbose_name_plural': 'contacts',
                'ordering': ('project', 'email'),
                'constraints': [models.UniqueConstraint(fields=('project', 'email'), name='contact_once', violation_error_message='This address is a contact of the project already.'), models.CheckConstraint(condition=models.Q(('gets_documents', True), ('gets_reminders', True), _connector='OR'), name='contact_gets_something', violation_error_message='Choose documents, reminders or both.')],
            },
        ),
        migrations.CreateModel(
            name='DepartmentBilling',
            fields=[
                ('department', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='billing', serialize=False, to='accounts.department', verbose_name='department')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.project', verbose_name='billed on receipts of')),
            ],
            options={
                'verbose_name': 'billing of a department',
                'verbose_name_plural': 'billing of departments',
                'ordering': ('department',),
            },
        ),
        migrations.CreateModel(
            name='RemindersStopped',
            fields=[
                ('project', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='reminders_stopped', serialize=False, to='accounts.project', verbose_name='project')),
                ('reason', models.CharField(help_text='To go on reminding, delete this.', max_length=200, verbose_name='reason')),
                ('since', models.DateTimeField(auto_now_add=True, verbose_name='since')),
            ],
            options={
                'verbose_name': 'stop of reminders',
                'verbose_name_plural': 'stops of reminders',
                'constraints': [models.CheckConstraint(condition=models.Q(('reason__regex', '^\\s*$'), _negated=True), name='reminders_stopped_has_reason')],
            },
        ),
        migrations.CreateModel(
            name='Series',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=16, verbose_name='code')),
                ('fiscal_year', models.PositiveIntegerField(verbose_name='fiscal year')),
                ('pattern', models.CharField(default='{code}-{year}-{number:06d}', help_text='With {number}, and {code}, {year} or {be} (Buddhist era) where wanted.', max_length=64, validators=[django.core.validators.RegexValidator('^[^{}]*(\\{(code|year|be)\\}[^{}]*)*\\{number(:0[1-9]d)?\\}[^{}]*$')], verbose_name='pattern of numbers')),
                ('opened_after', models.PositiveIntegerField(default=0, help_text='The first number here is the next one.', verbose_name='last number used elsewhere')),
                ('last_number', models.PositiveIntegerField(default=0, verbose_name='last number')),
            ],
            options={
                'verbose_name': 'number series',
                'verbose_name_plural': 'number series',
                'ordering': ('code', 'fiscal_year'),
                'constraints': [models.UniqueConstraint(fields=('code', 'fiscal_year'), name='series_once'), models.CheckConstraint(condition=models.Q(('pattern__regex', '^[^{}]*(\\{(code|year|be)\\}[^{}]*)*\\{number(:0[1-9]d)?\\}[^{}]*$')), name='series_pattern'), models.CheckConstraint(condition=models.Q(('last_number__gte', models.F('opened_after'))), name='series_goes_on')],
            },
        ),
        migrations.CreateModel(
            name='Receipt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('kind', models.CharField(choices=[('receipt', 'Receipt'), ('credit_note', 'Credit note'), ('opening', 'Opening balance')], default='receipt', max_length=12, verbose_name='kind')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='receipts', to='accounts.project', verbose_name='project')),
                ('corrects', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='credit_notes', to='receipts.receipt', verbose_name='corrects')),
                ('period', models.DateField(null=True, verbose_name='month of the run')),
                ('window_start', models.DateTimeField(verbose_name='from')),
                ('window_end', models.DateTimeField(verbose_name='until')),
                ('status', models.CharField(choices=[('draft', 'Draft'), ('pending', 'To be approved'), ('issued', 'Issued'), ('part_paid', 'Partly paid'), ('paid', 'Paid'), ('void', 'Void'), ('written_off', 'Written off')], default='draft', max_length=12, verbose_name='status')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('decimals', models.PositiveSmallIntegerField(verbose_name='decimals of the currency')),
                ('net_amount', models.DecimalField(decimal_places=4, max_digits=18, verbose_name='net')),
                ('tax_category', models.CharField(choices=[('standard', 'Standard rate'), ('zero', 'Zero rate'), ('exempt', 'Exempt'), ('reverse_charge', 'Reverse charge: the buyer accounts for the tax')], default='standard', max_length=16, verbose_name='tax category')),
                ('tax_rate', models.DecimalField(decimal_places=3, max_digits=6, verbose_name='tax %')),
                ('tax_inclusive', models.BooleanField(default=False, verbose_name='prices include the tax')),
                ('tax_amount', models.DecimalField(decimal_places=4, max_digits=18, verbose_name='tax')),
                ('total', models.DecimalField(decimal_places=4, max_digits=18, verbose_name='total')),
                ('reason', models.CharField(blank=True, max_length=200, verbose_name='reason')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='created by')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
                ('submitted_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='submitted by')),
                ('submitted_at', models.DateTimeField(null=True, verbose_name='submitted')),
                ('series', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='receipts', to='receipts.series', verbose_name='series')),
                ('sequence', models.PositiveIntegerField(null=True, verbose_name='number in series')),
                ('number', models.CharField(max_length=64, null=True, unique=True, verbose_name='number')),
                ('issued_at', models.DateTimeField(null=True, verbose_name='issued')),
                ('issued_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='issued by')),
                ('due_on', models.DateField(null=True, verbose_name='due')),
                ('purchase_order', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='receipts', to='receipts.purchaseorder', verbose_name='purchase order')),
                ('parties', models.JSONField(default=dict, verbose_name='parties')),
                ('particulars', models.JSONField(default=dict, verbose_name='particulars')),
                ('sha256', models.CharField(blank=True, max_length=64, verbose_name='SHA-256 of the content')),
                ('verify_token', models.CharField(editable=False, max_length=43, null=True, unique=True)),
                ('alone_limit', models.DecimalField(decimal_places=4, editable=False, max_digits=18, null=True, verbose_name='limit of what one person alone decides')),
                ('paid_at', models.DateTimeField(null=True, verbose_name='paid')),
                ('voided_at', models.DateTimeField(null=True, verbose_name='voided')),
                ('voided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='voided by')),
                ('void_reason', models.CharField(blank=True, max_length=200, verbose_name='reason for voiding')),
                ('written_off_at', models.DateTimeField(null=True, verbose_name='written off')),
            ],
            options={
                'verbose_name': 'receipt',
                'verbose_name_plural': 'receipts',
                'ordering': ('-id',),
                'permissions': (('issue_receipt', 'Can draft and issue receipts'), ('void_receipt', 'Can void receipts')),
                'indexes': [models.Index(fields=['status', 'due_on'], name='receipt_status_due'), models.Index(fields=['period'], name='receipt_run')],
                'constraints': [models.UniqueConstraint(fields=('series', 'sequence'), name='receipt_number_once'), models.CheckConstraint(condition=models.Q(('window_end__gt', models.F('window_start'))), name='receipt_window'), models.CheckConstraint(condition=models.Q(('period', None), ('period__day', 1), _connector='OR'), name='receipt_period'), models.CheckConstraint(condition=models.Q(models.Q(('corrects__isnull', False), ('kind', 'credit_note'), ('total__lte', 0)), models.Q(('corrects', None), ('kind__in', ('receipt', 'opening'))), _connector='OR'), name='receipt_kind'), models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ('receipt', 'opening')), _negated=True), ('status__in', ('draft', 'pending')), ('total__gte', 0), _connector='OR'), name='receipt_asks_for_money'), models.CheckConstraint(condition=models.Q(('total', django.db.models.expressions.CombinedExpression(models.F('net_amount'), '+', models.F('tax_amount')))), name='receipt_total'), models.CheckConstraint(condition=models.Q(('net_amount__gt', -100000000000000), ('net_amount__lt', 100000000000000), ('tax_amount__gt', -100000000000000), ('tax_amount__lt', 100000000000000), ('tax_rate__gte', 0), ('tax_rate__lt', 100)), name='receipt_amounts_in_range'), models.CheckConstraint(condition=models.Q(('tax_category', 'standard'), models.Q(('tax_category__in', ('zero', 'exempt', 'reverse_charge')), ('tax_inclusive', False), ('tax_rate', 0)), _connector='OR'), name='receipt_tax_category'), models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$'), ('decimals__lte', 4)), name='receipt_currency'), models.CheckConstraint(condition=models.Q(models.Q(('due_on', None), ('issued_at', None), ('number', None), ('sequence', None), ('series', None), ('sha256', ''), ('status__in', ('draft', 'pending')), ('verify_token', None)), models.Q(('issued_at__isnull', False), ('number__isnull', False), ('status__in', ('issued', 'part_paid', 'paid', 'void', 'written_off')), ('verify_token__isnull', False), models.Q(models.Q(('kind', 'opening'), ('sequence', None), ('series', None)), models.Q(('kind__in', ('receipt', 'credit_note')), ('sequence__isnull', False), ('series__isnull', False)), _connector='OR'), models.Q(models.Q(('due_on', None), ('kind', 'credit_note'), ('status', 'issued')), models.Q(('due_on__isnull', False), ('kind__in', ('receipt', 'opening'))), _connector='OR'), models.Q(('sha256', ''), _negated=True)), _connector='OR'), name='receipt_issued_has_number'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'pending'), ('submitted_at__isnull', False)), models.Q(('status', 'draft'), ('submitted_at', None), ('submitted_by', None)), models.Q(('status__in', ('draft', 'pending')), _negated=True), _connector='OR'), name='receipt_pending_has_time'), models.CheckConstraint(condition=models.Q(('submitted_by', None), ('issued_by', None), models.Q(('submitted_by', models.F('issued_by')), _negated=True), _connector='OR'), name='receipt_issued_by_other', violation_error_message='Whoever submits a receipt does not approve it.'), models.CheckConstraint(condition=models.Q(models.Q(('paid_at__isnull', False), ('status', 'paid')), ('status', 'void'), models.Q(models.Q(('status__in', ('paid', 'void')), _negated=True), ('paid_at', None)), _connector='OR'), name='receipt_paid_has_time'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'void'), ('voided_at__isnull', False), models.Q(('void_reason', ''), _negated=True)), models.Q(models.Q(('status', 'void'), _negated=True), ('void_reason', ''), ('voided_at', None)), _connector='OR'), name='receipt_void_has_reason'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'written_off'), ('written_off_at__isnull', False)), models.Q(models.Q(('status', 'written_off'), _negated=True), ('written_off_at', None)), _connector='OR'), name='receipt_written_off_has_time')],
            },
        ),
        migrations.CreateModel(
            name='CorrectionProblem',
            fields=[
                ('receipt', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='correction_problem', serialize=False, to='receipts.receipt', verbose_name='receipt')),
                ('problem', models.JSONField(default=dict, verbose_name='problem')),
                ('since', models.DateTimeField(auto_now_add=True, verbose_name='since')),
                ('tried_at', models.DateTimeField(auto_now=True, verbose_name='last tried')),
            ],
            options={
                'verbose_name': 'problem of a correction',
                'verbose_name_plural': 'problems of corrections',
                'ordering': ('since',),
            },
        ),
        migrations.CreateModel(
            name='DocumentFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('receipt', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='files', to='receipts.receipt', verbose_name='receipt')),
                ('form', models.CharField(choices=[('pdf', 'PDF'), ('xml', 'XML')], max_length=4, verbose_name='form')),
                ('language', models.CharField(blank=True, choices=[('en', 'English'), ('th', 'ไทย'), ('both', 'Both')], max_length=4, verbose_name='language')),
                ('is_copy', models.BooleanField(default=False, verbose_name='copy')),
                ('content', models.BinaryField(verbose_name='content')),
                ('sha256', models.CharField(max_length=64, verbose_name='SHA-256')),
                ('renderer', models.CharField(max_length=64, verbose_name='rendered by')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
            ],
            options={
                'verbose_name': 'rendered document',
                'verbose_name_plural': 'rendered documents',
                'ordering': ('receipt', 'form', 'language', 'is_copy'),
                'constraints': [models.UniqueConstraint(fields=('receipt', 'form', 'language', 'is_copy'), name='document_file_once'), models.CheckConstraint(condition=models.Q(models.Q(('form', 'pdf'), ('language__in', ('en', 'th', 'both'))), models.Q(('form', 'xml'), ('is_copy', False), ('language', '')), _connector='OR'), name='document_file_form'), models.CheckConstraint(condition=models.Q(('sha256', receipts.models.files.Digest(models.F('content')))), name='document_file_digest')],
            },
        ),
        migrations.CreateModel(
            name='Line',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('receipt', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='lines', to='receipts.receipt', verbose_name='receipt')),
                ('position', models.PositiveIntegerField(verbose_name='position')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.project', verbose_name='project')),
                ('corrects', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='credited_by', to='receipts.line', verbose_name='corrects line')),
                ('text', models.CharField(blank=True, max_length=200, verbose_name='text')),
                ('resource', models.CharField(max_length=64, verbose_name='resource')),
                ('unit_price', models.DecimalField(decimal_places=6, max_digits=18, null=True, verbose_name='unit price')),
                ('unit_size', models.BigIntegerField(verbose_name='base units in a unit')),
                ('rate', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.rate', verbose_name='rate')),
                ('quantity', models.BigIntegerField(verbose_name='quantity in base units')),
                ('charged', models.DecimalField(decimal_places=6, max_digits=24, verbose_name='sum of charges')),
                ('amount', models.DecimalField(decimal_places=4, max_digits=18, verbose_name='amount')),
                ('jobs', models.PositiveIntegerField(verbose_name='jobs')),
            ],
            options={
                'verbose_name': 'line',
                'verbose_name_plural': 'lines',
                'ordering': ('receipt', 'position'),
                'constraints': [models.UniqueConstraint(fields=('receipt', 'position'), name='line_position_once')],
            },
        ),
        migrations.CreateModel(
            name='LineCharge',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('line', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='charge_links', to='receipts.line')),
                ('charge', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='document_line', to='pricing.charge')),
            ],
            options={
                'verbose_name': 'charge on a line',
                'verbose_name_plural': 'charges on lines',
            },
        ),
        migrations.CreateModel(
            name='Mail',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('receipt', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='mails', to='receipts.receipt', verbose_name='receipt')),
                ('kind', models.CharField(choices=[('issued', 'Issued'), ('due_soon', 'Due soon'), ('overdue', 'Overdue'), ('paid', 'Paid'), ('credit_note', 'Credit note'), ('bounced', 'Payment taken back')], max_length=12, verbose_name='kind')),
                ('step', models.PositiveSmallIntegerField(default=0, verbose_name='step')),
                ('copy', models.PositiveSmallIntegerField(default=0, verbose_name='sent again')),
                ('recipient', models.EmailField(blank=True, max_length=254, verbose_name='recipient')),
                ('recipient_sha256', models.CharField(max_length=64, verbose_name='SHA-256 of the address')),
                ('language', models.CharField(choices=[('en', 'English'), ('th', 'ไทย')], max_length=5, verbose_name='language')),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('failed', 'Tried, and tried again soon'), ('sent', 'Sent'), ('given_up', 'Given up'), ('dropped', 'Not needed any more')], default='queued', max_length=8, verbose_name='status')),
                ('attempts', models.PositiveSmallIntegerField(default=0, verbose_name='attempts')),
                ('next_attempt_at', models.DateTimeField(null=True, verbose_name='next attempt')),
                ('last_error', models.TextField(blank=True, verbose_name='last error')),
                ('message_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='message id')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='queued')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='sent again by')),
                ('sent_at', models.DateTimeField(null=True, verbose_name='sent')),
                ('subject', models.CharField(blank=True, max_length=250, verbose_name='subject')),
                ('text', models.TextField(blank=True, verbose_name='text')),
                ('html', models.TextField(blank=True)),
                ('files', models.JSONField(default=list, verbose_name='attached')),
            ],
            options={
                'verbose_name': 'e-mail',
                'verbose_name_plural': 'e-mails',
                'ordering': ('-id',),
                'permissions': (('resend_mail', 'Can send e-mails of receipts again'),),
                'indexes': [models.Index(condition=models.Q(('status__in', ('queued', 'failed'))), fields=['next_attempt_at'], name='mail_due'), models.Index(condition=models.Q(('status', 'given_up')), fields=['status'], name='mail_given_up')],
                'constraints': [models.UniqueConstraint(fields=('receipt', 'kind', 'step', 'recipient_sha256', 'copy'), name='mail_once'), models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ('overdue', 'bounced')), ('step__gte', 1)), models.Q(('kind__in', ('issued', 'due_soon', 'credit_note')), ('step', 0)), ('kind', 'paid'), _connector='OR'), name='mail_kind_known'), models.CheckConstraint(condition=models.Q(models.Q(('next_attempt_at__isnull', False), ('sent_at', None), ('status__in', ('queued', 'failed')), models.Q(('recipient', ''), _negated=True)), models.Q(('next_attempt_at', None), ('sent_at__isnull', False), ('status', 'sent')), models.Q(('next_attempt_at', None), ('sent_at', None), ('status__in', ('given_up', 'dropped'))), _connector='OR'), name='mail_status_has_time'), models.CheckConstraint(condition=models.Q(models.Q(('status__in', ('failed', 'given_up')), _negated=True), models.Q(('last_error', ''), _negated=True), _connector='OR'), name='mail_failed_says_why')],
            },
        ),
        migrations.CreateModel(
            name='RunEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='receipts.billingrun', verbose_name='monthly run')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.project', verbose_name='addressee')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('drafted', 'Drafted'), ('nothing', 'Nothing to bill'), ('carried', 'Carried forward'), ('failed', 'Failed'), ('discarded', 'Discarded')], default='waiting', max_length=12, verbose_name='state')),
                ('receipt', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='run_entry', to='receipts.receipt', verbose_name='receipt')),
                ('total', models.DecimalField(decimal_places=4, max_digits=18, null=True, verbose_name='total')),
                ('problem', models.JSONField(default=dict, verbose_name='problem')),
                ('approved_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='approved by')),
                ('approved_at', models.DateTimeField(null=True, verbose_name='approved')),
            ],
            options={
                'verbose_name': 'document of a monthly run',
                'verbose_name_plural': 'documents of monthly runs',
                'ordering': ('run', 'project__code', 'currency'),
                'constraints': [models.UniqueConstraint(fields=('run', 'project', 'currency'), name='run_entry_once'), models.CheckConstraint(condition=models.Q(models.Q(('receipt__isnull', False), ('state', 'drafted'), ('total__isnull', False)), models.Q(('receipt', None), ('state__in', ('waiting', 'nothing', 'failed', 'discarded'))), models.Q(('receipt', None), ('state', 'carried'), ('total__lte', 0)), _connector='OR'), name='run_entry_document'), models.CheckConstraint(condition=models.Q(models.Q(('approved_at', None), ('approved_by', None)), models.Q(('approved_at__isnull', False), ('approved_by__isnull', False), ('state', 'drafted')), _connector='OR'), name='run_entry_approved')],
            },
        ),
        migrations.CreateModel(
            name='TaxProfile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=32, unique=True, validators=[django.core.validators.RegexValidator('\\A[A-Za-z0-9][A-Za-z0-9._@+-]*\\Z', 'Use letters, digits and . _ @ + - only, beginning with a letter or digit.')], verbose_name='code')),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('category', models.CharField(choices=[('standard', 'Standard rate'), ('zero', 'Zero rate'), ('exempt', 'Exempt'), ('reverse_charge', 'Reverse charge: the buyer accounts for the tax')], default='standard', max_length=16, verbose_name='category')),
                ('inclusive', models.BooleanField(default=False, help_text='Else it is added to them.', verbose_name='prices include the tax')),
                ('reason', models.CharField(blank=True, help_text='Why no tax is charged; printed on the document.', max_length=200, verbose_name='reason')),
            ],
            options={
                'verbose_name': 'tax profile',
                'verbose_name_plural': 'tax profiles',
                'ordering': ('code',),
                'constraints': [models.CheckConstraint(condition=models.Q(('category__in', ['standard', 'zero', 'exempt', 'reverse_charge'])), name='tax_profile_category_known'), models.CheckConstraint(condition=models.Q(models.Q(('category__in', ('exempt', 'reverse_charge')), _negated=True), models.Q(('reason', ''), _negated=True), _connector='OR'), name='tax_profile_exempt_has_reason', violation_error_message='Say why no tax is charged: documents have to state it.'), models.CheckConstraint(condition=models.Q(('category', 'standard'), ('inclusive', False), _connector='OR'), name='tax_profile_includes_tax', violation_error_message='Prices can include tax only where there is any.')],
            },
        ),
        migrations.CreateModel(
            name='BillingProfile',
            fields=[
                ('project', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='billing_profile', serialize=False, to='accounts.project', verbose_name='project')),
                ('grouping', models.CharField(choices=[('project', 'Receipts of its own'), ('department', 'On the receipts of its department'), ('payer', 'On the receipts of another project')], default='project', max_length=16, verbose_name='billed')),
                ('payer', models.ForeignKey(blank=True, help_text="Only where another project's receipts take the charges.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.project', verbose_name='paying project')),
                ('in_run', models.BooleanField(default=True, help_text='Off: only the project itself makes receipts (pay as you go).', verbose_name='in the monthly run')),
                ('tax_profile', models.ForeignKey(blank=True, help_text="Empty: the site's own rate, added to the prices.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name='profiles', to='receipts.taxprofile', verbose_name='tax profile')),
                ('exemption_certificate', models.CharField(blank=True, max_length=64, verbose_name='certificate of exemption')),
                ('withholding_percent', models.DecimalField(decimal_places=3, default=Decimal(0), max_digits=6, verbose_name='tax withheld at payment, %')),
                ('branch', models.CharField(blank=True, help_text='Five digits; 00000 is the head office. Empty: not registered for VAT.', max_length=5, verbose_name='branch number')),
                ('contact_name', models.CharField(blank=True, max_length=200, verbose_name='contact')),
                ('document_language', models.CharField(choices=[('en', 'English'), ('th', 'ไทย'), ('both', 'Both')], default='both', max_length=4, verbose_name='language of documents')),
                ('promptpay_id', models.CharField(blank=True, help_text="Empty: the site's own. Phone number, tax id or e-wallet id, digits only.", max_length=15, verbose_name='PromptPay id to pay to')),
            ],
            options={
                'verbose_name': 'billing profile',
                'verbose_name_plural': 'billing profiles',
                'ordering': ('project',),
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('grouping', 'payer'), ('payer__isnull', False)), models.Q(('grouping__in', ('project', 'department')), ('payer', None)), _connector='OR'), name='billing_profile_payer', violation_error_message='Choose the paying project if, and only if, another project pays.'), models.CheckConstraint(condition=models.Q(('payer', None), models.Q(('payer', models.F('project')), _negated=True), _connector='OR'), name='billing_profile_payer_is_other', violation_error_message='Another project pays, not the project itself.'), models.CheckConstraint(condition=models.Q(('withholding_percent__gte', 0), ('withholding_percent__lt', 100)), name='billing_profile_withholding', violation_error_message='A rate is at least 0 and less than 100 percent.'), models.CheckConstraint(condition=models.Q(('branch', ''), ('branch__regex', '^[0-9]{5}$'), _connector='OR'), name='billing_profile_branch', violation_error_message='A branch number has five digits.'), models.CheckConstraint(condition=models.Q(('promptpay_id', ''), ('promptpay_id__regex', '^([0-9]{10}|[0-9]{13}|[0-9]{15})$'), _connector='OR'), name='billing_profile_promptpay', violation_error_message='A PromptPay id has 10, 13 or 15 digits.'), models.CheckConstraint(condition=models.Q(('exemption_certificate', ''), ('tax_profile__isnull', False), _connector='OR'), name='billing_profile_certificate', violation_error_message='Choose the tax profile that the certificate is for.')],
            },
        ),
        migrations.CreateModel(
            name='TaxRate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rates', to='receipts.taxprofile', verbose_name='tax profile')),
                ('percent', models.DecimalField(decimal_places=3, max_digits=6, verbose_name='percent')),
                ('starts_on', models.DateField(verbose_name='from')),
                ('ends_on', models.DateField(blank=True, help_text='Not included; empty means open end.', null=True, verbose_name='until')),
            ],
            options={
                'verbose_name': 'tax rate',
                'verbose_name_plural': 'tax rates',
                'ordering': ('profile', 'starts_on'),
                'constraints': [models.CheckConstraint(condition=models.Q(('percent__gte', 0), ('percent__lt', 100)), name='tax_rate_in_range', violation_error_message='A rate is at least 0 and less than 100 percent.'), models.CheckConstraint(condition=models.Q(('ends_on', None), ('ends_on__gt', models.F('starts_on')), _connector='OR'), name='tax_rate_ends_after_start', violation_error_message='It must end after it begins.'), django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(accounts.models.payers.Same('profile'), '&&'), (receipts.models.tax.RateDays(), '&&')], name='tax_rate_no_overlap', violation_error_message='The profile has another rate at that time.')],
            },
        ),
        migrations.CreateModel(
            name='WriteOff',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('receipt', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='write_offs', to='receipts.receipt', verbose_name='receipt')),
                ('amount', models.DecimalField(decimal_places=4, max_digits=18, verbose_name='amount')),
                ('reason', models.CharField(max_length=200, verbose_name='reason')),
                ('status', models.CharField(choices=[('requested', 'To be approved'), ('approved', 'Approved'), ('rejected', 'Rejected')], default='requested', max_length=10, verbose_name='status')),
                ('requested_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='requested by')),
                ('requested_at', models.DateTimeField(auto_now_add=True, verbose_name='requested')),
                ('approved_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='approved by')),
                ('approved_at', models.DateTimeField(null=True, verbose_name='approved')),
                ('rejected_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='rejected by')),
                ('rejected_at', models.DateTimeField(null=True, verbose_name='rejected')),
                ('rejected_because', models.CharField(blank=True, max_length=200, verbose_name='reason of the rejection')),
            ],
            options={
                'verbose_name': 'write-off',
                'verbose_name_plural': 'write-offs',
                'ordering': ('-id',),
                'permissions': (('request_writeoff', 'Can ask for receipts to be written off'), ('approve_writeoff', 'Can approve write-offs that others ask for')),
                'constraints': [models.UniqueConstraint(condition=models.Q(('status', 'rejected'), _negated=True), fields=('receipt',), name='write_off_once'), models.CheckConstraint(condition=models.Q(('amount__gt', 0), ('amount__lt', 100000000000000), models.Q(('reason', ''), _negated=True)), name='write_off_amount_and_reason'), models.CheckConstraint(condition=models.Q(('approved_by', None), models.Q(('approved_by', models.F('requested_by')), _negated=True), _connector='OR'), name='write_off_second_person', violation_error_message='Whoever asks for a write-off does not approve it.'), models.CheckConstraint(condition=models.Q(models.Q(('approved_at', None), ('approved_by', None), ('rejected_at', None), ('status', 'requested')), models.Q(('approved_at__isnull', False), ('approved_by__isnull', False), ('rejected_at', None), ('status', 'approved')), models.Q(('approved_at', None), ('approved_by', None), ('rejected_at__isnull', False), ('status', 'rejected'), models.Q(('rejected_because', ''), _negated=True)), _connector='OR'), name='write_off_steps')],
            },
        ),
    ]
